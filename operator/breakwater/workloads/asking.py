"""What the resources that name a workload say to it: Secrets, fields of its template, and how it may be restarted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from breakwater.certificates.following import Followed
from breakwater.certificates.rotation import Disruptive, RotationScheduleSpec
from breakwater.kernel.calendar import Window, is_open, next_open
from breakwater.kernel.time import earliest
from breakwater.workloads.template import Fields

_STRICTEST = (Disruptive.APPROVE, Disruptive.WINDOW_ONLY, Disruptive.ALLOW)


@dataclass(frozen=True, slots=True)
class Template:
    """What is said of the fields of a pod template that stand there by our hand.

    Attributes:
        fields: those that the template leaves open, with their values.
        keeps: those that stand already are left, whatever they are.
    """

    fields: Fields
    keeps: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """One resource's word.

    Attributes:
        secrets: names, each with the mark of the content that the pods are known to run with; empty when none is.
        restart: whether new content of these is a reason to restart; false for who reloads by itself, for undeclared
            consumers, and for resources that only observe.
        server: whether the workload is the serving end; those go first.
        schedule: as status names it; empty for the built-in one.
        rules: what the schedule says.
        fault: why these are not the rules that were asked for; what could start a restart too early waits then.
        ordered: the mark of the restart that was last seen under way.
        halted: the mark of the restart that was last seen failing.
        template: None where nothing is said of the pod template.
    """

    secrets: Mapping[str, str]
    restart: bool
    server: bool
    schedule: str
    rules: RotationScheduleSpec
    fault: str = ""
    ordered: str = ""
    halted: str = ""
    template: Template | None = None


def under(schedule: Followed) -> dict[str, Any]:
    """The part of an asking that the schedule gives which is followed."""
    fault = schedule.fault or ("" if schedule.spec else "its schedule is being read")
    return {"schedule": schedule.named, "rules": schedule.spec or RotationScheduleSpec(), "fault": fault}


@dataclass(frozen=True, slots=True)
class Shut:
    """Outside of a window.

    Attributes:
        until: when to look again; None where no window opens any more.
    """

    until: datetime | None


@dataclass(frozen=True, slots=True)
class Rules:
    """The strictest of what all who ask for a restart say."""

    schedules: frozenset[str] = frozenset()
    max_concurrent: int = 1
    min_ready: timedelta = timedelta(0)
    stop_on_failure: bool = False
    disruptive: Disruptive = Disruptive.ALLOW
    windows: tuple[tuple[Window, ...], ...] = field(default=())
    fault: str = ""

    def shut(self, now: datetime) -> Shut | None:
        """Not every schedule has a window open; None where all have."""
        shut = [windows for windows in self.windows if not is_open(windows, now)]
        return Shut(earliest(*(next_open(windows, now) for windows in shut))) if shut else None


def strictest(askings: Iterable[Asking]) -> Rules:
    """Merge what they say."""
    asked = tuple(askings)
    if not asked:
        return Rules()
    rules = [asking.rules.restarts for asking in asked]
    return Rules(
        schedules=frozenset(asking.schedule for asking in asked),
        max_concurrent=min(rule.max_concurrent for rule in rules),
        min_ready=max(rule.min_ready for rule in rules),
        stop_on_failure=any(rule.stop_on_failure for rule in rules),
        disruptive=min((rule.disruptive for rule in rules), key=_STRICTEST.index),
        windows=tuple(asking.rules.open_times for asking in asked if asking.rules.windows),
        fault=next((asking.fault for asking in asked if asking.fault), ""),
    )
