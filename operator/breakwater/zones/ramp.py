"""Where a ramp of max-ages stands: a step is left for the next when it was proven for as long as it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from breakwater.kernel.time import from_rfc3339, to_rfc3339
from breakwater.zones.kind import Hsts as HstsSpec


@dataclass(frozen=True, slots=True)
class Ramp:
    """One ramp, as status tells and live answers prove.

    Attributes:
        max_age: of the present step, in seconds.
        next_at: when the next step follows if the present one holds until then; None at the last, or before a proof.
    """

    max_age: int
    next_at: datetime | None = None

    @property
    def status(self) -> dict[str, Any]:
        """`status.hsts`."""
        return {"maxAge": self.max_age} | ({"nextAt": to_rfc3339(self.next_at)} if self.next_at else {})


def steps_of(spec: HstsSpec) -> tuple[int, ...]:
    """All max-ages in order; the declared one is the last."""
    return (*spec.ramp, spec.max_age)


def permitted(spec: HstsSpec, status: Mapping[str, Any]) -> Ramp:
    """The step that may be taken, from what status remembers."""
    steps, entry = steps_of(spec), status.get("hsts")
    remembered = entry if isinstance(entry, Mapping) else {}
    age = remembered.get("maxAge")
    # Of a ramp that was changed the longest step that is not longer than what browsers know already.
    passed = [step for step in steps if isinstance(age, int) and step <= age]
    current = passed[-1] if passed else steps[0]
    return Ramp(current, from_rfc3339(remembered.get("nextAt")) if age == current else None)


def proceeding(spec: HstsSpec, ramp: Ramp, now: datetime, *, sent: int, proven: bool) -> Ramp:
    """The ramp to remember: its clock runs from the first proof, and from the start again where that is lost.

    The next step is taken when the time is over and live answers still show the present one.

    Args:
        spec: as declared.
        ramp: what was permitted.
        now: of the plan.
        sent: the max-age that the Ingresses are given, which is further where status had forgotten it.
        proven: whether live answers of all Ingresses carry it.
    """
    steps = steps_of(spec)
    if sent not in steps or sent == steps[-1] or not proven:
        return Ramp(sent if sent in steps else ramp.max_age)
    if ramp.max_age == sent and ramp.next_at is not None:
        return Ramp(steps[steps.index(sent) + 1]) if now >= ramp.next_at else ramp
    return Ramp(sent, now + timedelta(seconds=sent))
