from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from breakwater.hardening.admission import Phase
from breakwater.hardening.plan import plan
from breakwater.hardening.typecheck import PATIENCE, checked_types
from breakwater.kernel.plan import Plan
from breakwater.kernel.references import VALIDATING_POLICY, Ref
from tests.unit.hardening.scene import SUBJECT, act, answer, pair_of, planned, world
from tests.unit.worlds import MemoryWorld, condition, message

CREATED = datetime(2026, 6, 1, tzinfo=UTC)
SOON, LATE = CREATED + timedelta(seconds=1), CREATED + PATIENCE
FAULT = "v1, Kind=Pod: ERROR: <input>:1:12: undefined field 'sepc'\n | object.sepc\n | ......^"


def finding(number: int, warning: str = FAULT) -> dict[str, str]:
    return {"fieldRef": f"spec.validations[{number}].expression", "warning": warning}


def checked(*findings: dict[str, str], generation: int = 1) -> dict[str, Any]:
    warnings = {"expressionWarnings": list(findings)} if findings else {}
    return {"observedGeneration": generation, "typeChecking": warnings}


def tried(status: dict[str, Any]) -> MemoryWorld:
    """A world in which the trial is passed and the type checker has said this."""
    made = world()
    act(made)
    ref = Ref(VALIDATING_POLICY, "", pair_of(made).name)
    made.edit(ref, lambda item: item.update(status=status), by="kube-controller-manager")
    answer(made, Phase.TRIAL)
    return made


def at(made: MemoryWorld, now: datetime) -> Plan:
    return made.plan(SUBJECT, plan, now)


def test_a_pair_whose_types_do_not_fit_is_not_bound_though_its_samples_pass() -> None:
    result = planned(tried(checked(finding(3))))
    assert (result.actions, condition(result, "Enforced")) == ((), ("False", "TrialFailed"))
    said = message(result, "Enforced")
    assert "spec.validations[3].expression: v1, Kind=Pod: ERROR: <input>:1:12: undefined field 'sepc'" in said
    assert "report it" in said
    assert "\n" not in said


def test_only_the_first_findings_are_told_and_none_of_them_at_length() -> None:
    fault = checked_types(policy(checked(*(finding(number, "x" * 5000) for number in range(9)))), SOON).fault
    assert fault.count("spec.validations") == 3
    assert "and 6 more" in fault
    assert len(fault) < 1200


@pytest.mark.parametrize(
    ("status", "now", "expected"),
    [
        (checked(), SOON, ("False", "BindingMissing")),
        ({}, SOON, ("Unknown", "Trying")),
        ({}, LATE, ("False", "BindingMissing")),
        (checked(generation=0), SOON, ("Unknown", "Trying")),
        (checked(finding(1), generation=0), SOON, ("Unknown", "Trying")),
        ({"observedGeneration": 1}, SOON, ("Unknown", "Trying")),
    ],
)
def test_a_check_that_is_not_made_yet_is_waited_for_and_not_for_ever(
    status: dict[str, Any], now: datetime, expected: tuple[str, str]
) -> None:
    result = at(tried(status), now)
    assert condition(result, "Enforced") == expected
    assert result.due == (LATE if expected[1] == "Trying" else None)


def policy(status: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"generation": 1, "creationTimestamp": "2026-06-01T00:00:00Z"}, "status": status}
