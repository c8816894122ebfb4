"""Mistakes in a rotation schedule."""

from __future__ import annotations

from typing import Any

from tests.kinds_bad_inputs.table import SCHEDULE, BadInput

_ONE_OF = "set exactly one of percentage, before and schedule"
_CRON = "must have five fields: minute 0-59, hour 0-23, day of month 1-31, month 1-12 or JAN, day of week 0-7 or MON"
_DURATION = "days are not a unit"
_ZONE = "must be an IANA zone such as Europe/Berlin"
_WINDOW = {"cron": "0 2 * * 6", "duration": "4h"}


def _renewal(**fields: Any) -> dict[str, Any]:
    return {"renewal": fields}


def _at(cron: str) -> dict[str, Any]:
    return _renewal(schedule={"cron": cron})


def _zone(name: str) -> dict[str, Any]:
    return _renewal(schedule={"cron": "0 3 * * *", "timeZone": name})


def _window(**fields: Any) -> dict[str, Any]:
    return {"windows": [{name: value for name, value in {**_WINDOW, **fields}.items() if value is not None}]}


def _bad(name: str, change: dict[str, Any], field: str, message: str, model_message: str = "") -> BadInput:
    return BadInput(name, SCHEDULE, change, f"spec.{field}", message, model_message)


def _bad_cron(name: str, cron: str) -> BadInput:
    return _bad(name, _at(cron), "renewal.schedule.cron", _CRON)


_TIMES = (
    _bad("no-renewal-time", _renewal(), "renewal", _ONE_OF),
    _bad("percentage-and-before", _renewal(percentage=67, before="720h"), "renewal", _ONE_OF),
    _bad("before-and-calendar", _renewal(before="720h", schedule={"cron": "0 3 * * *"}), "renewal", _ONE_OF),
    _bad("percentage-too-low", _renewal(percentage=5), "renewal.percentage", "greater than or equal to 10"),
    _bad("percentage-too-high", _renewal(percentage=96), "renewal.percentage", "less than or equal to 95"),
    _bad("percentage-is-text", _renewal(percentage="67"), "renewal.percentage", "must be of type integer", "integer"),
    _bad("before-in-days", _renewal(before="30d"), "renewal.before", _DURATION),
    _bad("before-at-once", _renewal(before="0s"), "renewal.before", "must be between 1m and 87600h"),
    _bad("calendar-without-cron", _renewal(schedule={}), "renewal.schedule.cron", "Required value", "is required"),
)
_CALENDARS = (
    _bad_cron("cron-of-four-fields", "0 3 1 *"),
    _bad_cron("cron-of-six-fields", "0 0 3 1 * *"),
    _bad_cron("cron-minute-60", "60 3 * * *"),
    _bad_cron("cron-hour-24", "0 24 * * *"),
    _bad_cron("cron-day-32", "0 3 32 * *"),
    _bad_cron("cron-day-zero", "0 3 0 * *"),
    _bad_cron("cron-month-13", "0 3 1 13 *"),
    _bad_cron("cron-weekday-8", "0 3 * * 8"),
    _bad_cron("cron-step-zero", "*/0 3 * * *"),
    _bad_cron("cron-sixth-monday", "0 3 * * MON#6"),
    _bad_cron("cron-in-lower-case", "0 3 * jan mon"),
    _bad_cron("cron-by-name", "@daily"),
    _bad_cron("cron-with-two-spaces", "0  3 * * *"),
    _bad("time-zone-with-spaces", _zone("Europe / Berlin"), "renewal.schedule.timeZone", _ZONE),
    _bad("time-zone-is-a-path", _zone("../etc/passwd"), "renewal.schedule.timeZone", _ZONE),
    _bad("time-zone-is-an-offset", _zone("+02:00"), "renewal.schedule.timeZone", _ZONE),
)
_WINDOWS = (
    _bad("window-without-duration", _window(duration=None), "windows[0].duration", "Required value", "is required"),
    _bad("window-without-cron", _window(cron=None), "windows[0].cron", "Required value", "is required"),
    _bad("window-in-days", _window(duration="1d"), "windows[0].duration", _DURATION),
    _bad("window-of-seconds", _window(duration="59s"), "windows[0].duration", "must be between 1m and 744h"),
    _bad("window-cron-of-one-field", _window(cron="02:00"), "windows[0].cron", _CRON),
    _bad("window-time-zone", _window(timeZone="Europe/"), "windows[0].timeZone", _ZONE),
    _bad(
        "too-many-windows",
        {"windows": [_WINDOW] * 17},
        "windows",
        "must have at most 16 items",
        "between 0 and 16 items",
    ),
)
_REST = (
    _bad("jitter-over-half", {"jitter": 51}, "jitter", "less than or equal to 50"),
    _bad("jitter-negative", {"jitter": -1}, "jitter", "greater than or equal to 0"),
    _bad("overlap-in-days", {"overlap": "2d"}, "overlap", _DURATION),
    _bad("overlap-over-a-year", {"overlap": "8761h"}, "overlap", "must be between 0s and 8760h"),
    _bad("restarts-negative", {"restarts": {"maxConcurrent": -1}}, "restarts.maxConcurrent", "equal to 0"),
    _bad("restarts-too-many", {"restarts": {"maxConcurrent": 1001}}, "restarts.maxConcurrent", "equal to 1000"),
    _bad("min-ready-too-long", {"restarts": {"minReady": "2h"}}, "restarts.minReady", "must be between 0s and 1h"),
    _bad("disruptive-unknown", {"restarts": {"disruptive": "Never"}}, "restarts.disruptive", '"Allow"', "'Allow'"),
    _bad(
        "stop-on-failure-is-text",
        {"restarts": {"stopOnFailure": "yes"}},
        "restarts.stopOnFailure",
        "must be of type boolean",
        "boolean",
    ),
    _bad("restarts-are-text", {"restarts": {"maxConcurrent": "all"}}, "restarts.maxConcurrent", "integer"),
    _bad("min-ready-negative", {"restarts": {"minReady": "-1s"}}, "restarts.minReady", _DURATION),
    _bad("restarts-misspelt", {"restarts": {"maxParallel": 1}}, "restarts.maxParallel", "unknown field", "not a field"),
    _bad("window-of-a-year", _window(duration="8760h"), "windows[0].duration", "must be between 1m and 744h"),
    _bad("schedule-misspelt", {"window": []}, "window", "unknown field", "is not a field of this kind"),
)
SCHEDULES = (*_TIMES, *_CALENDARS, *_WINDOWS, *_REST)
