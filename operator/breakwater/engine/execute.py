"""Actions become writes; each answer enters the inventory before anybody plans again.

Without that, a stale cache would issue a second certificate.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from breakwater.cluster.client import ApiError
from breakwater.cluster.contests import Contests
from breakwater.cluster.failures import failure_of
from breakwater.cluster.inventory import Inventory
from breakwater.cluster.writes import Writer, conflicting_managers
from breakwater.engine.metrics import Metrics
from breakwater.kernel.apply import foreign_writers, owned_data_keys
from breakwater.kernel.plan import (
    Action,
    ApplyFields,
    ApplyObject,
    Contest,
    DeleteObject,
    Ending,
    Failure,
    RelabelSecret,
    Version,
    WriteSecret,
)
from breakwater.kernel.reading import Entry, Manifest, Present
from breakwater.kernel.recipe import Recipe
from breakwater.kernel.references import Ref, definition_of
from breakwater.kernel.sealed import Sealed
from breakwater.pki import PkiError

log = logging.getLogger(__name__)


class Executor:
    """Runs one action at a time for its caller; different subjects run side by side."""

    def __init__(self, writer: Writer, inventory: Inventory, metrics: Metrics, now: Callable[[], datetime]) -> None:
        self._writer = writer
        self._inventory = inventory
        self._metrics = metrics
        self._contests = Contests()
        self._now = now
        self._do: Mapping[type[Action], Callable[[Any], Any]] = {
            ApplyObject: self._apply_object,
            ApplyFields: self._apply_fields,
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
            failure = Failure(error.reason.value, str(error))
        else:
            self._metrics.actions.labels(type(action).__name__, action.reason, "ok").inc()
            log.info("acted", extra=_told(action))
            return None, taken
        self._metrics.actions.labels(type(action).__name__, action.reason, failure.reason).inc()
        log.warning("action failed", extra=_told(action) | {"failure": failure.reason, "why": failure.message})
        return failure, lambda: None

    async def _apply_object(self, action: ApplyObject) -> Callable[[], None]:
        try:
            answer = await self._writer.apply(action.target, action.manifest)
        except ApiError as error:
            managers = conflicting_managers(error)
            if not managers:
                raise
            self._retake(action.target, tuple(sorted({manager for manager, _ in managers})), managers)
            answer = await self._writer.apply(action.target, action.manifest, force=True)
        return self._taker(action.target, answer)

    async def _apply_fields(self, action: ApplyFields) -> Callable[[], None]:
        metadata = {**action.manifest["metadata"], "uid": action.uid}
        answer = await self._writer.apply(
            action.target, {**action.manifest, "metadata": metadata}, manager=action.manager
        )
        return self._taker(action.target, answer)

    async def _write_secret(self, action: WriteSecret) -> Callable[[], None]:
        made = await asyncio.get_running_loop().run_in_executor(None, partial(_make, action.parts, self._now()))
        if action.replaces is None:
            answer = await self._writer.create(action.target.resource, _new_secret(action, made))
            return self._taker(action.target, answer)
        live = self._expect(action.target, action.replaces)
        others = foreign_writers(live.manifest, "data", made)
        if others:
            self._retake(action.target, others, tuple((manager, "data") for manager in others))
        answer = await self._writer.replace(action.target, _changed_secret(live.manifest, action, made))
        return self._taker(action.target, answer)

    async def _relabel_secret(self, action: RelabelSecret) -> Callable[[], None]:
        await self._confirm_gone(action.gone)
        live = self._expect(action.target, action.replaces)
        metadata = dict(live.metadata)
        metadata.pop("managedFields", None)
        metadata["labels"] = _edited(live.labels, action.labels)
        metadata["annotations"] = _edited(live.annotations, action.annotations)
        answer = await self._writer.replace(
            action.target, _complete(action.target, {**live.manifest, "metadata": metadata})
        )
        return self._taker(action.target, answer)

    async def _delete(self, action: DeleteObject) -> Callable[[], None]:
        await self._confirm_gone(action.gone)
        await self._writer.delete(action.target, action.replaces)
        self._contests.forget(action.target)
        return partial(self._inventory.gone, action.target, action.replaces.uid)

    async def _confirm_gone(self, declaration: Ref | None) -> None:
        """A watch can be late or wrong; what is deleted does not come back, so ask once more."""
        if declaration is None:
            return
        definition = await self._writer.read(definition_of(declaration.resource))
        if definition is None or "deletionTimestamp" in definition["metadata"]:
            raise _RefusedError(
                Failure("KindNotServed", f"{declaration.resource} is not served; nothing is taken away")
            )
        if await self._writer.read(declaration) is not None:
            raise _RefusedError(Failure("DeclarationExists", f"{declaration} exists after all; nothing is taken away"))

    def _expect(self, ref: Ref, version: Version) -> Entry:
        held = self._inventory.look_up(ref)
        if isinstance(held, Present) and held.value.metadata.get("resourceVersion") == version.resource_version:
            return held.value
        raise _RefusedError(Failure("Conflict", f"{ref}: it changed meanwhile; planning again"))

    def _retake(self, ref: Ref, managers: tuple[str, ...], fields: tuple[tuple[str, str], ...]) -> None:
        contest = self._contests.permit(ref, managers, self._now())
        self._inventory.contested(ref, contest)
        if contest is not None:
            raise _RefusedError(_contested(ref, contest, fields))

    def _taker(self, ref: Ref, answer: Manifest) -> Callable[[], None]:
        return partial(self._inventory.put, ref.resource, answer)


class _RefusedError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


def _contested(ref: Ref, contest: Contest, fields: tuple[tuple[str, str], ...]) -> Failure:
    named = ", ".join(sorted({field for manager, field in fields if manager == contest.manager}))
    return Failure(
        "Contested",
        f'{ref}: "{contest.manager}" keeps changing {named or "fields"} that Breakwater owns; taken back '
        f"{contest.takes} times in ten minutes and left alone now. Remove them from what {contest.manager} applies",
        Ending.STALLED,
    )


def _make(parts: tuple[Recipe, ...], now: datetime) -> dict[str, str]:
    data: dict[str, str] = {}
    for part in parts:
        for key, value in part.make(now).items():
            data[key] = base64.b64encode(value.open() if isinstance(value, Sealed) else value).decode()
    return data


def _new_secret(action: WriteSecret, made: Mapping[str, str]) -> dict[str, Any]:
    metadata = {
        "name": action.target.name,
        "namespace": action.target.namespace,
        "labels": dict(action.labels),
        "annotations": dict(action.annotations),
    }
    return _complete(action.target, {"metadata": metadata, "type": action.secret_type, "data": dict(made)})


def _changed_secret(live: Manifest, action: WriteSecret, made: Mapping[str, str]) -> dict[str, Any]:
    """Our keys as made, no others of ours; whatever others have added stays."""
    ours = owned_data_keys(live)
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    metadata["labels"] = {**(metadata.get("labels") or {}), **action.labels}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **action.annotations}
    data = {key: value for key, value in (live.get("data") or {}).items() if key not in ours}
    return _complete(action.target, {**live, "metadata": metadata, "data": {**data, **made}})


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
