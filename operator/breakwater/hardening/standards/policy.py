"""The standards as parts of a ValidatingAdmissionPolicy, which the API server evaluates in its own process."""

from __future__ import annotations

from typing import Final

from breakwater.hardening.standards.checks import checks
from breakwater.hardening.standards.level import Level, Version
from breakwater.hardening.standards.rules import CONTAINERS

_VARIABLE: Final = "containers"


def policy_variables(level: Level, version: Version) -> list[dict[str, str]]:  # noqa: ARG001 - the sets may come to differ
    """`spec.variables` that `policy_validations` of the same arguments needs: the containers are put together once."""
    return [{"name": _VARIABLE, "expression": CONTAINERS}]


def policy_validations(level: Level, version: Version) -> list[dict[str, str]]:
    """`spec.validations`: one for each check; a refused request gets 403 and the check's message."""
    return [
        {
            "expression": check.rule.cel(f"variables.{_VARIABLE}").text,
            "message": f"{check.id}: {check.message}",
            "reason": "Forbidden",
        }
        for check in checks(level, version)
    ]
