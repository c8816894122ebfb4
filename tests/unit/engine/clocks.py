"""Clocks that a test moves: the time of day may jump, the monotonic one only goes on."""

from __future__ import annotations

import datetime as dt


class Clocks:
    """Pass `wall` and `monotonic` to what is tested."""

    def __init__(self) -> None:
        self.time_of_day = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
        self.seconds = 1000.0

    def wall(self) -> dt.datetime:
        return self.time_of_day

    def monotonic(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        """Both go on."""
        self.seconds += seconds
        self.time_of_day += dt.timedelta(seconds=seconds)

    def jump(self, seconds: float) -> None:
        """Somebody set the time of day."""
        self.time_of_day += dt.timedelta(seconds=seconds)
