"""The objects beside an Ingress that hold a feature's settings: made before they are linked, gone after."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from breakwater.kernel.apply import differs
from breakwater.kernel.ownership import MANAGED_BY, MANAGER, OWNED, SUBJECT, Free, Ours, Taken, claim
from breakwater.kernel.plan import Action, ApplyObject, DeleteObject, Version
from breakwater.kernel.reading import WHOLE, Entry, Present, Unknown
from breakwater.kernel.references import GROUP, INGRESS, Ref, Subject
from breakwater.kernel.time import earliest
from breakwater.kernel.world import World
from breakwater.zones.dialects.dialect import Companion, Dialect, Said, State, Written
from breakwater.zones.ingress import Ingress, listed
from breakwater.zones.links import linking
from breakwater.zones.wishes import Feature

KEPT_FOR = f"{GROUP}/kept-for"
"""On a companion that we do not need any more: the Ingresses that link to it all the same."""
_MOST_NAMED = 4
GRACE = timedelta(seconds=5)
"""So long an engine may take to see what was written; Traefik gathers changes for two seconds, and reads Ingresses and
Middlewares by watches of their own."""
_ORDER = (Feature.HTTPS_REDIRECT, Feature.HSTS)
"""As requests meet them: what is redirected needs no header."""


@dataclass
class Kept:
    """What follows for the companions.

    Attributes:
        links: what the Ingress should link to now, in order.
        said: by feature, where it is not through yet, or cannot be.
        alone: since when companions stand without a link of the Ingress, by uid; see `Keeper`.
        due: when to look again.
    """

    actions: list[Action] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    said: dict[Feature, Said] = field(default_factory=dict)
    alone: dict[str, datetime] = field(default_factory=dict)
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Keeper:
    """Makes what is missing, links what the engine has seen, takes away what nothing links to.

    Attributes:
        alone: since when this process sees that a companion stands and that nothing links to it. No time of another
            clock will do: the API server's may be minutes off ours, and so may be that of the leader before.
    """

    subject: Subject
    ingress: Ingress
    dialect: Dialect
    world: World
    now: datetime
    alone: Mapping[str, datetime] = field(default_factory=dict)

    def keep(self, written: Written, held: Collection[Feature]) -> Kept:
        """What follows from what is asked; `held` features are left as they stand."""
        kept = Kept()
        if self.dialect.companion is None:
            return kept
        linked = frozenset(listed(self.ingress.annotations.get(self.dialect.links, "")))
        stays: set[Ref] = set()
        for feature in _ORDER:
            companion = written.companions.get(feature)
            if companion is not None:
                self._wanted(kept, feature, companion, linked=companion.link in linked)
            elif feature in held:
                companion = self.dialect.companion(self.ingress, feature)
                kept.links += [companion.link] if companion.link in linked else []
            stays |= {companion.ref} if companion else set()
        owned = self.world.indexed(OWNED, self.subject)
        for ref, mark in owned.value if isinstance(owned, Present) else ():
            # Whoever links to it by his own hand still needs it.
            if ref not in stays and not mark.deleting and self.dialect.link(ref) not in linked:
                self._unneeded(kept, ref, mark.version)
        return kept

    def _wanted(self, kept: Kept, feature: Feature, companion: Companion, *, linked: bool) -> None:
        ref = companion.ref
        stands = claim(self.world, ref, self.subject)
        if linked:
            kept.links.append(companion.link)
        if isinstance(stands, Taken):
            kept.said[feature] = Said(State.FAILING, f"{ref}: {stands.by} stands under this name; delete or rename it")
            return
        manifest = manifest_of(self.subject, self.ingress, companion)
        if isinstance(stands, Unknown):
            kept.said[feature] = Said(State.FAILING, f"{ref}: {stands.message or stands.reason}")
            return
        action = _apply(ref, manifest, "ZoneChanged", f"{feature} on Ingress {self.ingress.name}")
        if isinstance(stands, Free) or differs(manifest, stands.entry.manifest):
            kept.actions.append(action)
        failure = self.world.failure(action.id)
        if failure is not None and failure.reason != "Conflict":
            kept.said[feature] = Said(State.FAILING, failure.message)
        elif not linked:
            # What is about to be written may turn out to be gone: an Ingress made anew takes its companions along.
            self._link(kept, feature, companion, None if action in kept.actions else stands)

    def _link(self, kept: Kept, feature: Feature, companion: Companion, stands: Ours | Free | None) -> None:
        if isinstance(stands, Ours) and self._is_through(kept, stands.entry.uid):
            kept.links.append(companion.link)
            return
        kept.said[feature] = Said(
            State.PARTIAL, f"{companion.ref} is linked as soon as the engine has seen it", pending=True
        )

    def _is_through(self, kept: Kept, uid: str) -> bool:
        """Whether the engine has had the time to see that a companion stands, or that nothing links to it."""
        since = self.alone.get(uid, self.now)
        # The clock went back: how long it was cannot be told.
        since = kept.alone[uid] = min(since, self.now)
        if self.now < since + GRACE:
            kept.due = earliest(kept.due, since + GRACE)
            return False
        return True

    def _unneeded(self, kept: Kept, ref: Ref, version: Version) -> None:
        others = linking(ref.namespace, self.dialect.link(ref), self.world)
        if isinstance(others, Unknown):
            return
        elsewhere = [name for name in others if name != self.ingress.name]
        if elsewhere:
            self._keep_for(kept, ref, elsewhere)
        elif self._is_through(kept, version.uid):
            kept.actions.append(
                DeleteObject(
                    id=f"companion:{ref.name}",
                    target=ref,
                    reason="ZoneGone",
                    message=f"no Ingress links to {ref} any more",
                    replaces=version,
                    takes_away=True,
                )
            )

    def _keep_for(self, kept: Kept, ref: Ref, names: Sequence[str]) -> None:
        """Without it those Ingresses would answer with errors; the mark tells, and with it an event."""
        reading = self.world.get(ref, WHOLE)
        more = [f"{len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
        named = ", ".join((*names[:_MOST_NAMED], *more))
        if not isinstance(reading, Present) or reading.value.annotations.get(KEPT_FOR) == named:
            return
        message = (
            f"no zone needs {ref} any more, and Ingress {named} links to it: it stays until that link is removed "
            f"from the annotation {self.dialect.links}"
        )
        kept.actions.append(_apply(ref, _kept_for(reading.value, named), "StillLinked", message, notable=True))


def _apply(ref: Ref, manifest: Mapping[str, Any], reason: str, message: str, *, notable: bool = False) -> Action:
    common = {"apiVersion": ref.resource.api_version, "kind": ref.resource.kind}
    return ApplyObject(
        id=f"companion:{ref.name}",
        target=ref,
        reason=reason,
        message=message,
        manifest={**manifest, **common},
        notable=notable,
    )


def _kept_for(live: Entry, names: str) -> dict[str, Any]:
    metadata = live.metadata
    kept = {key: metadata[key] for key in ("name", "namespace", "labels", "ownerReferences") if key in metadata}
    marks = {SUBJECT: live.annotations[SUBJECT], KEPT_FOR: names}
    return {"metadata": kept | {"annotations": marks}, "spec": live.manifest.get("spec") or {}}


def manifest_of(subject: Subject, ingress: Ingress, companion: Companion) -> dict[str, Any]:
    """The companion as it should stand; it goes with its Ingress."""
    owner = {"apiVersion": INGRESS.api_version, "kind": INGRESS.kind, "name": ingress.name, "uid": ingress.uid}
    metadata = {
        "name": companion.ref.name,
        "namespace": companion.ref.namespace,
        "labels": {MANAGED_BY: MANAGER},
        "annotations": {SUBJECT: str(subject)},
        "ownerReferences": [owner],
    }
    return {"metadata": metadata, "spec": dict(companion.spec)}
