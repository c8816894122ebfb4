"""Which schedule a certificate follows: its resource's own, its authority's, the operator's default, or none at all."""

from __future__ import annotations

from dataclasses import dataclass

from breakwater.certificates.kind import CertificateAuthoritySpec
from breakwater.certificates.rotation import RotationScheduleSpec
from breakwater.kernel.declaration import specified_by
from breakwater.kernel.fields import LocalRef
from breakwater.kernel.reading import NOT_SYNCED, Present, Unknown
from breakwater.kernel.references import ROTATION_SCHEDULE, Ref
from breakwater.kernel.world import World

SPECIFIED = specified_by(RotationScheduleSpec)
DEFAULT = "default"
BUILT_IN = RotationScheduleSpec()
UNTIL_THEN = "until then certificates are renewed at two thirds of their life"


@dataclass(frozen=True, slots=True)
class Followed:
    """The schedule that applies.

    Attributes:
        spec: what it says; None while nobody can tell, and then nothing is renewed for its age.
        named: as status names it: `namespace/name` of a RotationSchedule, else empty.
        fault: why that is not what was asked for, and what to do; empty where it is. What can wait waits then.
    """

    spec: RotationScheduleSpec | None
    named: str = ""
    fault: str = ""


def followed(
    world: World, namespace: str, own: LocalRef | None, authority: CertificateAuthoritySpec | None
) -> Followed:
    """The schedule of a resource in a namespace, for certificates of an authority if one issues for it."""
    home = world.settings.namespace
    if own is not None:
        return _read(world, Ref(ROTATION_SCHEDULE, namespace, own.name))
    if authority is not None and authority.renewal is not None:
        return Followed(authority.renewal)
    named = authority.rotation_schedule_ref if authority else None
    if named is not None:
        return _read(world, Ref(ROTATION_SCHEDULE, home, named.name))
    return _read(world, Ref(ROTATION_SCHEDULE, home, DEFAULT), optional=True)


def missing_schedule(world: World, namespace: str, named: LocalRef | None) -> str:
    """Why a schedule that is named cannot be followed, and what to do; empty where all is well, or may be."""
    return _read(world, Ref(ROTATION_SCHEDULE, namespace, named.name)).fault if named else ""


def _read(world: World, ref: Ref, *, optional: bool = False) -> Followed:
    reading, whole = world.get(ref, SPECIFIED), f"{ref.namespace}/{ref.name}"
    if isinstance(reading, Unknown):
        known = f"RotationSchedule {whole}: {reading.message}"
        return Followed(BUILT_IN, fault=known) if _lasts(reading) else Followed(None)
    if not isinstance(reading, Present):
        missing = f"RotationSchedule {whole} does not exist; create it or name another"
        return Followed(BUILT_IN, fault="" if optional else missing)
    if reading.value.spec is None:
        return Followed(BUILT_IN, fault=f"RotationSchedule {whole} is not valid: {reading.value.fault}")
    return Followed(reading.value.spec, whole)


def _lasts(reading: Unknown) -> bool:
    """Whether it may stay unknown; certificates must not end over that."""
    return reading.reason != NOT_SYNCED.reason
