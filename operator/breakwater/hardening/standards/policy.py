"""The standards as parts of a ValidatingAdmissionPolicy, which the API server evaluates in its own process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from breakwater.hardening.standards.checks import Check
from breakwater.hardening.standards.rules import CONTAINERS

_VARIABLE: Final = "containers"


def policy_variables() -> list[dict[str, str]]:
    """`spec.variables` that `policy_validations` needs: the containers are put together once."""
    return [{"name": _VARIABLE, "expression": CONTAINERS}]


def policy_validations(asked: Iterable[Check]) -> list[dict[str, str]]:
    """`spec.validations`: one for each check; a refused request gets 403 and the check's message."""
    return [
        {
            "expression": check.rule.cel(f"variables.{_VARIABLE}").text,
            "message": f"{check.id}: {check.message}",
            "reason": "Forbidden",
        }
        for check in asked
    ]
