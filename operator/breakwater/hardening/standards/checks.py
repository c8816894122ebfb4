"""The checks that a level asks for in a version, each as an expression for the API server and as a judgement here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from breakwater.hardening.standards.baseline import BASELINE
from breakwater.hardening.standards.level import Level, Version
from breakwater.hardening.standards.restricted import RESTRICTED
from breakwater.hardening.standards.revision import History
from breakwater.hardening.standards.rules import CONTAINERS, Rule
from breakwater.hardening.standards.stored import as_stored


@dataclass(frozen=True, slots=True)
class Check:
    """One control of the Pod Security Standards in one version.

    Attributes:
        id: the standard's own name of it, such as `runAsNonRoot`.
        level: the level that it belongs to; Restricted holds checks of both.
        message: the fields, what they must be and the remedy; the same for every pod, below 1 KB.
        rule: the condition that the two outputs come from.
    """

    id: str
    level: Level
    message: str
    rule: Rule

    @property
    def cel(self) -> str:
        """An expression over `object`, a Pod; true when the check holds."""
        return self.rule.cel(CONTAINERS).text

    def violations(self, pod: Mapping[str, Any]) -> tuple[str, ...]:
        """The paths that violate it, such as `spec.containers[0].securityContext.privileged`; none when it holds.

        The manifest is judged as the API server would store it, defaults filled in.
        """
        return tuple(self.rule.violations(as_stored(pod)))


_HISTORIES: Final = tuple(
    sorted(BASELINE, key=lambda history: history.id) + sorted(RESTRICTED, key=lambda history: history.id)
)


@cache
def checks(level: Level, version: Version) -> tuple[Check, ...]:
    """All checks of a level in a version, Baseline's first, each group by name.

    Restricted holds Baseline's too, but for those that a stricter one overrides.
    """
    wanted = [history for history in _HISTORIES if level is Level.RESTRICTED or history.level is level]
    overridden = {history.overrides for history in wanted if history.at(version)}
    return tuple(check for history in wanted if history.id not in overridden for check in _in_version(history, version))


def _in_version(history: History, version: Version) -> tuple[Check, ...]:
    revision = history.at(version)
    return (Check(history.id, history.level, revision.message, revision.rule),) if revision else ()
