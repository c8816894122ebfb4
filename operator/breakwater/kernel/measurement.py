"""Facts from outside the API server, and the requests for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

VALIDITY_INTERVALS = 12
SHORTEST_VALIDITY = timedelta(hours=1)


class Result(StrEnum):
    """A verdict's value; Unknown is never shown as holding."""

    HOLDS = "Holds"
    FAILS = "Fails"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Measure:
    """A plan's request: keep the measurement `name` fresh.

    Attributes:
        name: unique among the subject's measurements.
        probe: what the engine hands to the prober; pure data.
        digest: of the probe's inputs; another digest voids what was measured before.
        interval: from one measurement to the next.
    """

    name: str
    probe: Any
    digest: str
    interval: timedelta

    @property
    def validity(self) -> timedelta:
        """How long one measurement speaks for the channel.

        Far longer than the interval: status is written each half validity, so this sets what a quiet cluster costs.
        """
        return max(VALIDITY_INTERVALS * self.interval, SHORTEST_VALIDITY)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured, when, and until when it counts."""

    name: str
    digest: str
    time: datetime
    valid_until: datetime
    result: Result
    reason: str
    message: str
    facts: Mapping[str, str] = field(default_factory=dict)

    def says_the_same_as(self, other: Measurement) -> bool:
        """Whether only the time differs; then nobody needs to be woken."""
        return (self.digest, self.result, self.reason, self.message, self.facts) == (
            other.digest,
            other.result,
            other.reason,
            other.message,
            other.facts,
        )
