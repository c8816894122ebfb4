"""Actions become writes; each answer enters the inventory before anybody plans again.

Without that, a stale cache would issue a second certificate.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

from breakwater.cluster.client import ApiError
from breakwater.cluster.contests import SOMEBODY, Contests
from breakwater.cluster.failures import failure_of
from breakwater.cluster.inventory import Inventory
from breakwater.cluster.writes import Writer
from breakwater.engine.metrics import Metrics
from breakwater.engine.reduce import made_by_us
from breakwater.kernel.apply import owned_data_keys, rivals
from breakwater.kernel.plan import (
    Action,
    ApplyFields,
    ApplyObject,
    Contest,
    DeleteObject,
    Ending,
    Failure,
    Gone,
    PatchFields,
    RelabelSecret,
    Version,
    WriteSecret,
)
from breakwater.kernel.reading import Entry, Manifest, Present
from breakwater.kernel.recipe import Recipe
from breakwater.kernel.references import Ref, Resource, definition_of
from breakwater.kernel.sealed import Sealed, quotes
from breakwater.pki import PkiError
from breakwater.pki.errors import Reason

log = logging.getLogger(__name__)

WITHHELD = "the request was denied, in words that quote the Secret and are not repeated here; see the API server's log"


class Executor:
    """Runs one action at a time for its caller; different subjects run side by side."""

    def __init__(
        self,
        writer: Writer,
        inventory: Inventory,
        metrics: Metrics,
        now: Callable[[], datetime],
        reducers: Mapping[Resource, Callable[[Manifest], Manifest]],
    ) -> None:
        self._writer = writer
        self._reducers = reducers
        self._inventory = inventory
        self._metrics = metrics
        self._contests = Contests()
        self._now = now
        self._do: Mapping[type[Action], Callable[[Any], Any]] = {
            ApplyObject: self._apply_object,
            ApplyFields: self._apply_fields,
            PatchFields: self._patch_fields,
            WriteSecret: self._write_secret,
            RelabelSecret: self._relabel_secret,
            DeleteObject: self._delete,
        }

    async def run(self, action: Action) -> tuple[Failure | None, Callable[[], None]]:
        """Do it. Returns how it failed, if it did, and the step that takes the answer into the inventory."""
        try:
            taken: Callable[[], None] = await self._do[type(action)](action)
        except ApiError as error:
            failure = failure_of(error, action.target)
        except _RefusedError as refused:
            failure = refused.failure
        except PkiError as error:
            # The same input meets the same refusal again, unless that was a matter of time.
            passes = error.reason in (Reason.ISSUER_NOT_YET_VALID, Reason.SELF_CHECK_FAILED)
            failure = Failure(error.reason.value, str(error), Ending.AGAIN if passes else Ending.STALLED)
        else:
            self._metrics.actions.labels(type(action).__name__, action.reason, "ok").inc()
            log.info("acted", extra=_told(action))
            return None, partial(self._take, taken, action)
        self._metrics.actions.labels(type(action).__name__, action.reason, failure.reason).inc()
        log.warning("action failed", extra=_told(action) | {"failure": failure.reason, "why": failure.message})
        return failure, lambda: None

    def _take(self, answer: Callable[[], None], action: Action) -> None:
        for key, value in action.leaves.items():
            self._inventory.state(key, Present(value))
        answer()

    async def _apply_object(self, action: ApplyObject) -> Callable[[], None]:
        live = self._inventory.look_up(action.target)
        manifest, managers = action.manifest, frozenset[str]()
        if isinstance(live, Present):
            managers = self._rivals(action.target, live.value.manifest, manifest)
            # With its uid a deleted object does not come back, and another one under its name is not taken over.
            manifest = {**manifest, "metadata": {**manifest["metadata"], "uid": live.value.uid}}
        elif await self._writer.read(action.target) is not None:
            # An apply would merge into it, and make ours what somebody else has just created.
            raise _RefusedError(Failure("Conflict", f"{action.target}: it has appeared meanwhile; planning again"))
        answer = await self._writer.apply(action.target, manifest, force=bool(managers))
        self._contests.record(action.target, managers, self._now())
        return self._taker(action.target, answer)

    async def _apply_fields(self, action: ApplyFields) -> Callable[[], None]:
        await self._confirm_gone(action)
        lost = self._lost(action)
        version = {"uid": action.decided_on.uid, "resourceVersion": action.decided_on.resource_version}
        metadata = {**action.manifest["metadata"], **version}
        answer = await self._writer.apply(
            action.target, {**action.manifest, "metadata": metadata}, manager=action.manager
        )
        if action.defended:
            self._contests.wrote(action.target, action.decided_on.uid, action.manifest)
            self._contests.record(action.target, (SOMEBODY,) if lost else (), self._now())
        return self._taker(action.target, answer)

    async def _patch_fields(self, action: PatchFields) -> Callable[[], None]:
        # No two objects ever have the same version, so it stands for the uid as well.
        metadata = {**action.manifest.get("metadata", {}), "resourceVersion": action.decided_on.resource_version}
        answer = await self._writer.patch(action.target, {**action.manifest, "metadata": metadata}, action.manager)
        return self._taker(action.target, answer)

    async def _write_secret(self, action: WriteSecret) -> Callable[[], None]:
        made = await asyncio.get_running_loop().run_in_executor(None, partial(_make, action.parts, self._now()))
        if action.replaces is None:
            with _discretion(made.values()):
                answer = await self._writer.create(action.target.resource, _new_secret(action, made))
            return self._taker(action.target, answer)
        live = self._expect(action.target, action.replaces)
        marks = {"labels": action.labels, "annotations": action.annotations}
        managers = self._rivals(action.target, live.manifest, {"metadata": marks, "data": _encoded(made)})
        with _discretion((*made.values(), *_contents(live.manifest, _public(made)))):
            answer = await self._writer.replace(action.target, _changed_secret(live.manifest, action, made))
        self._contests.record(action.target, managers, self._now())
        return self._taker(action.target, answer)

    async def _relabel_secret(self, action: RelabelSecret) -> Callable[[], None]:
        await self._confirm_gone(action)
        live = self._expect(action.target, action.replaces)
        marks = {"labels": action.labels, "annotations": action.annotations}
        managers = self._rivals(action.target, live.manifest, {"metadata": marks})
        metadata = _marked(live.manifest, action)
        with _discretion(_contents(live.manifest)):
            answer = await self._writer.replace(
                action.target, _complete(action.target, {**live.manifest, "metadata": metadata})
            )
        self._contests.record(action.target, managers, self._now())
        return self._taker(action.target, answer)

    async def _delete(self, action: DeleteObject) -> Callable[[], None]:
        await self._confirm_gone(action)
        await self._writer.delete(action.target, action.replaces)
        self._contests.forget(action.target)
        return partial(self._inventory.gone, action.target, action.replaces.uid)

    async def _confirm_gone(self, action: Action) -> None:
        """A watch can be late or wrong; what is deleted does not come back, so ask once more."""
        for gone in action.gone:
            await self._ask_again(gone)

    async def _ask_again(self, gone: Gone) -> None:
        declaration = gone.declaration
        definition = await self._writer.read(definition_of(declaration.resource))
        if definition is None or "deletionTimestamp" in definition["metadata"]:
            raise _RefusedError(
                Failure("KindNotServed", f"{declaration.resource} is not served; nothing is taken away")
            )
        if definition["metadata"]["uid"] != gone.definition:
            raise _RefusedError(
                Failure("KindRedefined", f"{declaration.resource} was defined anew meanwhile; nothing is taken away")
            )
        if await self._writer.read(declaration) is not None:
            raise _RefusedError(Failure("DeclarationExists", f"{declaration} exists after all; nothing is taken away"))

    def _expect(self, ref: Ref, version: Version) -> Entry:
        held = self._inventory.look_up(ref)
        if isinstance(held, Present) and held.value.metadata.get("resourceVersion") == version.resource_version:
            return held.value
        raise _RefusedError(Failure("Conflict", f"{ref}: it changed meanwhile; planning again"))

    def _rivals(self, ref: Ref, live: Manifest, wanted: Manifest) -> frozenset[str]:
        """From whom a write of ours takes fields; refused where that was done often enough."""
        fields = rivals(live, wanted)
        managers = frozenset(manager for manager, _ in fields)
        contest = self._contests.standing(ref, sorted(managers), self._now())
        self._inventory.contested(ref, contest)
        if contest is not None:
            raise _RefusedError(_contested(ref, contest, fields))
        return managers

    def _lost(self, action: ApplyFields) -> tuple[str, ...]:
        """What has to be written again because somebody took it away; refused where that was done often enough."""
        live = self._inventory.look_up(action.target)
        if not action.defended or not isinstance(live, Present):
            return ()
        lost = self._contests.lost(action.target, action.decided_on.uid, live.value.manifest, action.manifest)
        contest = self._contests.standing(action.target, (SOMEBODY,), self._now()) if lost else None
        self._inventory.contested(action.target, contest)
        if contest is not None:
            raise _RefusedError(_taken_away(action.target, contest, lost))
        return lost

    def _taker(self, ref: Ref, answer: Manifest) -> Callable[[], None]:
        """An answer enters as an event would, reduced to what plans read."""
        reduce = self._reducers.get(ref.resource, made_by_us)
        return partial(self._inventory.answered, ref.resource, reduce(answer))


class _RefusedError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def _contested(ref: Ref, contest: Contest, fields: tuple[tuple[str, str], ...]) -> Failure:
    named = ", ".join(sorted({field for manager, field in fields if manager == contest.manager}))
    return Failure(
        "Contested",
        f'{ref}: "{contest.manager}" keeps changing {named}, which Breakwater owns; taken back '
        f"{contest.takes} times in ten minutes and left alone now. Remove them from what {contest.manager} applies",
        Ending.STALLED,
    )


def _taken_away(ref: Ref, contest: Contest, fields: tuple[str, ...]) -> Failure:
    return Failure(
        "Contested",
        f"{ref}: {contest.manager} keeps taking away {', '.join(fields)}, which Breakwater wrote; written again "
        f"{contest.takes} times in ten minutes and left alone now. The API server's audit log names who does it: end "
        f"that, then change anything on this {ref.resource.kind} to have it tried again",
        Ending.STALLED,
    )


Made = Mapping[str, bytes | Sealed]


def _make(parts: tuple[Recipe, ...], now: datetime) -> Made:
    made: dict[str, bytes | Sealed] = {}
    for part in parts:
        made |= part.make(now)
    return made


def _encoded(made: Made) -> dict[str, str]:
    return {
        key: base64.b64encode(value.open() if isinstance(value, Sealed) else value).decode()
        for key, value in made.items()
    }


def _public(made: Made) -> frozenset[str]:
    """Keys whose content is no secret: certificates, and what a declaration says anyway."""
    return frozenset(key for key, value in made.items() if not isinstance(value, Sealed))


def _contents(live: Manifest, but: frozenset[str] = frozenset()) -> list[Sealed]:
    """What a Secret holds, sealed; what others put there is as secret as anything, and so is what is replaced."""
    return [Sealed(base64.b64decode(value)) for key, value in (live.get("data") or {}).items() if key not in but]


@contextmanager
def _discretion(contents: Iterable[bytes | Sealed]) -> Iterator[None]:
    """Whoever refuses a Secret may quote it; that must not travel on into status, events and logs."""
    try:
        yield
    except ApiError as error:
        secrets = [content for content in contents if isinstance(content, Sealed)]
        if not quotes(f"{error.reason} {error.message} {error.causes}", secrets):
            raise
        status, retry_after = error.status, error.retry_after
    else:
        return
    # Out here, and new: the first one keeps its words in its arguments and would stay as the context.
    raise ApiError(status, "Withheld", WITHHELD, retry_after)


def _new_secret(action: WriteSecret, made: Made) -> dict[str, Any]:
    metadata = {
        "name": action.target.name,
        "namespace": action.target.namespace,
        "labels": _edited({}, action.labels),
        "annotations": _edited({}, action.annotations),
    }
    return _complete(action.target, {"metadata": metadata, "type": action.secret_type, "data": _encoded(made)})


def _changed_secret(live: Manifest, action: WriteSecret, made: Made) -> dict[str, Any]:
    """Our keys as made, no others of ours; whatever others have added stays."""
    ours = owned_data_keys(live)
    data = {key: value for key, value in (live.get("data") or {}).items() if key not in ours}
    return _complete(action.target, {**live, "metadata": _marked(live, action), "data": {**data, **_encoded(made)}})


def _marked(live: Manifest, action: WriteSecret | RelabelSecret) -> dict[str, Any]:
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    labels = _edited(metadata.get("labels") or {}, action.labels)
    return {**metadata, "labels": labels, "annotations": _edited(metadata.get("annotations") or {}, action.annotations)}


def _complete(ref: Ref, manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {**manifest, "apiVersion": ref.resource.api_version, "kind": ref.resource.kind}


def _edited(pairs: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    merged = {**pairs, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def _told(action: Action) -> dict[str, str]:
    return {
        "action": type(action).__name__,
        "target": str(action.target),
        "reason": action.reason,
        "why": action.message,
    }
