"""Which zone asked for what stands on an Ingress: written beside it, so that it is known when the zone is gone.

A zone that is suspended, or that only observes, leaves what stands as it is, whatever it says meanwhile. What a zone
leaves behind when it vanishes waits for a permit, like anything that a declaration leaves behind: see `pruning`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from breakwater.kernel.ownership import Mark
from breakwater.kernel.plan import Gone, Version
from breakwater.kernel.reading import CREATED, Absent, Manifest, Present
from breakwater.kernel.references import INGRESS, SECURITY_ZONE, Ref, Subject
from breakwater.kernel.restrain import permit_of
from breakwater.kernel.time import from_rfc3339
from breakwater.kernel.world import Index, World
from breakwater.zones.ingress import INGRESS_FACTS, ZONES, Ingress, listed, wrote_on
from breakwater.zones.wishes import Feature, Wish


@dataclass(frozen=True, slots=True)
class Asker:
    """A zone that asked.

    Attributes:
        created: its `creationTimestamp`, as written; another zone of the same name has another one.
    """

    zone: str
    created: str


def written(askers: Mapping[Feature, Asker]) -> str:
    """The annotation's value."""
    return ",".join(f"{feature}={asker.zone}@{asker.created}" for feature, asker in sorted(askers.items()))


def read(text: str) -> dict[Feature, Asker]:
    """Read it back; what was edited by hand into nonsense is forgotten."""
    found: dict[Feature, Asker] = {}
    for item in listed(text):
        feature, _, rest = item.partition("=")
        zone, _, created = rest.partition("@")
        if feature in set(Feature) and zone and from_rfc3339(created) is not None:
            found[Feature(feature)] = Asker(zone, created)
    return found


def askers(ingress: Ingress) -> dict[Feature, Asker]:
    """Who asked for what stands on this Ingress."""
    return read(ingress.annotations.get(ZONES, ""))


def _left(manifest: Manifest) -> Mapping[Hashable, Any]:
    metadata = manifest["metadata"]
    if not wrote_on(manifest):
        return {}
    by_zone: dict[Asker, dict[Feature, Asker]] = {}
    for feature, asker in read((metadata.get("annotations") or {}).get(ZONES, "")).items():
        by_zone.setdefault(asker, {})[feature] = asker
    marks: dict[Hashable, Any] = {}
    for asker, features in by_zone.items():
        subject = Subject(SECURITY_ZONE.kind, metadata["namespace"], asker.zone)
        marks[subject] = Mark(
            subject,
            # The Ingress is others' and changes for reasons of its own: what counts is what was asked for.
            Version(metadata.get("uid", ""), written(features)),
            released=False,
            deletes=True,
            deleting="deletionTimestamp" in metadata,
            created=asker.created,
        )
    return marks


LEFT = Index("zones-on-ingresses", (INGRESS,), _left)
"""By zone, the Ingresses on which something of it stands."""


def touched(zone: Subject, world: World) -> dict[str, tuple[Feature, ...]]:
    """By Ingress, what of this zone stands there."""
    found = world.indexed(LEFT, zone)
    features: dict[str, tuple[Feature, ...]] = {}
    for ref, _ in found.value if isinstance(found, Present) else ():
        reading = world.get(ref, INGRESS_FACTS)
        if isinstance(reading, Present):
            named = askers(reading.value).items()
            features[ref.name] = tuple(feature for feature, asker in named if asker.zone == zone.name)
    return features


@dataclass(frozen=True, slots=True)
class Staying:
    """What nobody may take away from an Ingress now.

    Attributes:
        features: they are left as they stand, unless another zone decides on them.
        waiting: those of them that only wait for a permit, with the zone that is gone.
        gone: the zones that are gone and whose features may go, by feature.
    """

    features: frozenset[Feature]
    waiting: Mapping[Feature, Gone]
    gone: Mapping[Feature, Gone]


def staying(ingress: Ingress, wishes: Iterable[Wish], world: World) -> Staying:
    """What paused zones hold, and what is left of vanished ones for which nobody has given a permit."""
    by_zone = {wish.zone: wish for wish in wishes}
    # What somebody wants who may not have it done is not taken from him either.
    paused = {feature for wish in by_zone.values() if not wish.enforced for feature in wish.settings}
    waiting, gone = dict[Feature, Gone](), dict[Feature, Gone]()
    for feature, asker in askers(ingress).items():
        wish = by_zone.get(asker.zone)
        if wish is not None:
            paused |= set() if wish.enforced else {feature}
            continue
        zone = Ref(SECURITY_ZONE, ingress.namespace, asker.zone)
        declared, permit = world.metadata(zone, CREATED), permit_of(zone, world)
        if isinstance(declared, Absent) and permit is not None and permit.granted:
            gone[feature] = Gone(zone, permit.definition)
        elif not isinstance(declared, Present):
            waiting[feature] = Gone(zone, "")
    # A zone that is there and does not want a feature any more lets it go.
    waiting = {feature: zone for feature, zone in waiting.items() if feature not in paused}
    gone = {feature: zone for feature, zone in gone.items() if feature not in paused}
    return Staying(frozenset(paused | waiting.keys()), waiting, gone)
