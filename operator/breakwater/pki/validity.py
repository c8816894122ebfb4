"""From when to when certificates are valid."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from breakwater.pki.facts import CertificateFacts


class Validity(NamedTuple):
    """First and last second."""

    not_before: datetime
    not_after: datetime

    @classmethod
    def shared(cls, certificates: Collection[CertificateFacts]) -> Validity:
        """When all of them are valid; it ends before it begins where that is never."""
        return cls(max(each.not_before for each in certificates), min(each.not_after for each in certificates))

    def next_turn(self, now: datetime) -> datetime | None:
        """When it begins or, the second after its last, is over; None when that has passed."""
        turns = (self.not_before, self.not_after + timedelta(seconds=1))
        return next((turn for turn in turns if turn > now), None)
