from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from breakwater.kernel.references import DEPLOYMENT, Ref
from breakwater.workloads.consumers import CONSUMERS, reduced, secrets_used
from breakwater.workloads.workload import Demand, plan, subject_of
from tests.unit.scenery import CHANNEL, NOW
from tests.unit.worlds import MemoryWorld, encoded, marked, secret, secret_manifest

REF = {"name": "app-tls"}
KEY = {"valueFrom": {"secretKeyRef": {"name": "app-tls", "key": "password"}}}

PODS: dict[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    "a volume": ({"volumes": [{"secret": {"secretName": "app-tls"}}]}, ("app-tls",)),
    "a projected volume": (
        {"volumes": [{"projected": {"sources": [{"secret": REF}, {"configMap": REF}]}}]},
        ("app-tls",),
    ),
    "a variable": ({"containers": [{"env": [KEY, {"name": "PLAIN", "value": "x"}]}]}, ("app-tls",)),
    "all variables": ({"containers": [{"envFrom": [{"secretRef": REF}, {"configMapRef": REF}]}]}, ("app-tls",)),
    "an init container": ({"initContainers": [{"env": [KEY]}]}, ("app-tls",)),
    "several, each once and sorted": (
        {
            "volumes": [
                {"secret": {"secretName": "z"}},
                {"secret": {"secretName": "a"}},
                {"secret": {"secretName": "z"}},
            ]
        },
        ("a", "z"),
    ),
    "a ConfigMap of the same name": ({"volumes": [{"configMap": REF}]}, ()),
    "a field of the pod": ({"containers": [{"env": [{"valueFrom": {"fieldRef": {"fieldPath": "x"}}}]}]}, ()),
    "nothing": ({}, ()),
    "absent lists": ({"volumes": None, "containers": None}, ()),
}


def _workload(name: str, pod: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "bpm", "uid": "1", "resourceVersion": "1", "annotations": {"large": "x"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"replicas": 3, "template": {"spec": pod}},
    }


@pytest.mark.parametrize("sentence", PODS)
def test_secrets_are_found_wherever_a_pod_template_names_them(sentence: str) -> None:
    pod, names = PODS[sentence]
    assert secrets_used(_workload("app", pod)) == names
    kept = reduced(_workload("app", pod))
    assert CONSUMERS.facts(kept) == {("bpm", name): True for name in names}
    assert "spec" not in kept
    assert "annotations" not in kept["metadata"]


@pytest.mark.parametrize(
    "broken", [{}, {"spec": None}, {"spec": {"template": None}}, {"spec": {"template": {"spec": None}}}]
)
def test_a_workload_without_a_template_uses_nothing(broken: Mapping[str, Any]) -> None:
    assert secrets_used(broken) == ()


APP = subject_of("Deployment", "bpm", "app")


def _world(*names: str) -> MemoryWorld:
    made = MemoryWorld()
    made.put(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "app", "namespace": "bpm"},
            "secrets": names,
        },
        by="user",
    )
    for name in ("app-tls", "app-login"):
        made.put(secret_manifest("bpm", name, {"key": name.encode()}, **marked(CHANNEL)), by="breakwater")
    made.put(secret_manifest("bpm", "theirs", {"key": b"theirs"}), by="user")
    return made


def _demand(made: MemoryWorld) -> Demand | None:
    found = made.plan(APP, plan, NOW)
    assert found.actions == (), "a demand, never a write"
    assert found.value is None or isinstance(found.value, Demand)
    return found.value


def test_a_demand_names_our_secrets_only() -> None:
    demand = _demand(_world("app-tls", "app-login", "theirs", "not-there"))
    assert demand is not None
    assert demand.secrets == ("app-login", "app-tls")


def test_a_demand_changes_with_content_and_with_nothing_else() -> None:
    made = _world("app-tls", "app-login", "theirs")
    before = _demand(made)
    made.edit(secret("bpm", "app-tls"), lambda manifest: manifest["metadata"]["labels"].update(team="bpm"), by="user")
    made.edit(secret("bpm", "theirs"), lambda manifest: manifest["data"].update(key=encoded(b"x")), by="user")
    assert _demand(made) == before
    made.edit(secret("bpm", "app-tls"), lambda manifest: manifest["data"].update(key=encoded(b"x")), by="user")
    after = _demand(made)
    assert after is not None
    assert before is not None
    assert after.needed != before.needed


def test_the_order_in_which_a_template_names_them_does_not_count() -> None:
    assert _demand(_world("app-tls", "app-login")) == _demand(_world("app-login", "app-tls"))


def test_without_our_secrets_or_without_the_workload_there_is_no_demand() -> None:
    assert _demand(_world("theirs")) is None
    made = _world("app-tls")
    made.drop(Ref(DEPLOYMENT, "bpm", "app"))
    assert _demand(made) is None
    assert made.plan(subject_of("CronJob", "bpm", "app"), plan, NOW).value is None


@pytest.mark.parametrize("hide", [MemoryWorld.obscure, MemoryWorld.unread], ids=["all of it", "its data"])
def test_there_is_no_demand_while_one_secret_is_out_of_sight(hide: Callable[[MemoryWorld, Ref], None]) -> None:
    made = _world("app-tls", "app-login")
    hide(made, secret("bpm", "app-login"))
    assert _demand(made) is None
