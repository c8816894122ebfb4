"""Durations as users write them: whole hours, minutes and seconds, the part of Go's notation that CEL can compare."""

from __future__ import annotations

import re
from datetime import timedelta

PATTERN = r"^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$"
"""Each unit at most once, largest first. Six digits of each stay far below the 292 years that Go's int64 can hold."""

MAX_LENGTH = 21
REMEDY = (
    "write a duration in hours, minutes and seconds, such as 2160h, 1h30m or 90s; days are not a unit (90d is 2160h)"
)

_PARTS = re.compile(PATTERN)


def parse_duration(text: str) -> timedelta:
    """Read a duration such as `1h30m`.

    Raises:
        ValueError: it is not in that notation; the message says how to write it.
    """
    match = _PARTS.fullmatch(text)
    if not text or match is None:
        raise ValueError(REMEDY)
    hours, minutes, seconds = (int(part[:-1]) if part else 0 for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """Write a duration in its shortest form: `2160h`, `1h30m`, `0s`.

    Raises:
        ValueError: it is negative, has a fraction of a second or more than 999999 hours.
    """
    total, fraction = divmod(duration, timedelta(seconds=1))
    hours, rest = divmod(total, 3600)
    if total < 0 or fraction or hours > 999_999:
        raise ValueError(f"{duration} is not a whole number of seconds between 0s and 999999h")
    parts = zip((hours, rest // 60, rest % 60), "hms", strict=True)
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"
