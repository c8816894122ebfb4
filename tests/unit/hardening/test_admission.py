"""What is sent to the API server, held against files that people can read; and names that follow from content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from breakwater.hardening.admission import build
from breakwater.hardening.kind import HardeningPolicySpec
from breakwater.hardening.rollout import manifests
from tests.unit.hardening.scene import DEFAULTS, SUBJECT, SYSTEM, policy

GOLDEN = Path(__file__).parent / "golden"
INPUTS = sorted(GOLDEN.glob("*.input.yaml"))


def made(spec: dict[str, Any], uid: str = "uid-1") -> list[dict[str, Any]]:
    pair = build(SUBJECT.name, uid, HardeningPolicySpec.read_strictly(spec), SYSTEM)
    found = manifests(SUBJECT, uid, pair)
    return [item for part in (found.policies, found.trial, found.loaded, found.final) for item in part.values()]


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name.partition(".")[0])
def test_a_policy_becomes_these_objects(path: Path) -> None:
    expected = path.with_name(path.name.replace("input", "expected"))
    assert made(yaml.safe_load(path.read_text())) == list(yaml.safe_load_all(expected.read_text()))


def test_there_are_inputs() -> None:
    assert len(INPUTS) == 2


def name_of(uid: str = "uid-1", **change: Any) -> str:
    return str(made(policy(**change)["spec"], uid)[0]["metadata"]["name"])


@pytest.mark.parametrize(
    "change",
    [
        {"podDefaults": DEFAULTS | {"runAsUser": 7}},
        {"profile": {"level": "Baseline", "version": "v1.37"}},
        {"profile": {"level": "Restricted", "version": "v1.24"}},
        {"namespaceSelector": {}},
        {"objectSelector": {"matchLabels": {"a": "b"}}},
    ],
)
def test_another_content_has_another_name(change: dict[str, Any]) -> None:
    assert name_of(**change) != name_of()


def test_what_does_not_reach_the_api_server_changes_no_name() -> None:
    assert name_of(mode="Observe", suspend=True) == name_of()
    assert name_of(uid="uid-2") == name_of()


def test_a_trial_is_that_of_one_policy_alone() -> None:
    labels = [
        next(item for item in made(policy()["spec"], uid) if item["metadata"]["name"].endswith("-trial"))["spec"][
            "matchResources"
        ]["objectSelector"]
        for uid in ("uid-1", "uid-2")
    ]
    assert labels[0] != labels[1]


def test_no_rule_matches_what_a_deletion_waits_for() -> None:
    rules = [
        rule
        for item in made(policy()["spec"])
        for rule in item["spec"].get("matchConstraints", {}).get("resourceRules", ())
    ]
    assert {(*rule["operations"], *rule["resources"]) for rule in rules} == {
        ("CREATE", "pods"),
        ("UPDATE", "pods/ephemeralcontainers"),
    }


def test_every_message_names_the_policy_and_root_is_told_first() -> None:
    (validating,) = (item for item in made(policy()["spec"]) if item["kind"] == "ValidatingAdmissionPolicy")
    messages = [item["message"] for item in validating["spec"]["validations"]]
    assert all(message.startswith("HardeningPolicy suite: ") for message in messages)
    assert "runAsUser" in messages[1], "the first is the trial's"
