from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from breakwater.workloads.consumers import CONSUMERS, secrets_used
from breakwater.workloads.target import reduced

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
    kept = reduced(_workload("app", pod), "Deployment")
    assert CONSUMERS.facts(kept) == {("bpm", name): True for name in names}
    assert "annotations" not in kept["metadata"]
    assert "spec" not in kept["template"]


@pytest.mark.parametrize(
    "broken", [{}, {"spec": None}, {"spec": {"template": None}}, {"spec": {"template": {"spec": None}}}]
)
def test_a_workload_without_a_template_uses_nothing(broken: Mapping[str, Any]) -> None:
    assert secrets_used(broken) == ()
