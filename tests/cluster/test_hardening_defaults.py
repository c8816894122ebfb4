"""The defaults as the API server sets them, held against what Python says that it would set."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from breakwater.hardening.admission import build
from breakwater.hardening.defaults import changes
from breakwater.hardening.kind import HardeningPolicySpec, PodDefaults
from tests.cluster.dry_runs import Answer, DryRuns
from tests.cluster.hardening_scene import DEFAULTS, policy
from tests.cluster.ledger import namespace
from tests.controlplane import Cluster, wait_until

API = "admissionregistration.k8s.io/v1"
PARTS: dict[str, dict[str, Any]] = {
    "all": DEFAULTS,
    "pod": {name: DEFAULTS[name] for name in ("runAsUser", "fsGroup", "seccompProfile")},
    "user": {name: DEFAULTS[name] for name in ("runAsNonRoot", "runAsUser")},
    "unknown-user": {"runAsNonRoot": True},
    "escalation": {"allowPrivilegeEscalation": False},
    "capabilities": {"dropCapabilities": ["NET_RAW", "SYS_TIME"]},
}
POD_CONTEXTS: tuple[dict[str, Any] | None, ...] = (
    None,
    {},
    {"runAsUser": 7},
    {"runAsUser": 0},
    {"runAsNonRoot": False},
    {"runAsNonRoot": True, "runAsUser": 8, "fsGroup": 9, "seccompProfile": {"type": "Unconfined"}},
    {"fsGroup": 0, "supplementalGroups": [5]},
)
CONTEXTS: tuple[dict[str, Any] | None, ...] = (
    None,
    {},
    {"runAsUser": 0},
    {"runAsUser": 7, "readOnlyRootFilesystem": True},
    {"allowPrivilegeEscalation": True},
    {"privileged": True},
    {"capabilities": {}},
    {"capabilities": {"drop": []}},
    {"capabilities": {"drop": ["KILL"], "add": ["CHOWN"]}},
    {"capabilities": {"add": ["CAP_SYS_ADMIN"]}},
)
MOST_CONTAINERS = 1000


def containers(*contexts: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [
        {"name": f"c{number}", "image": "app"} | ({} if context is None else {"securityContext": dict(context)})
        for number, context in enumerate(contexts)
    ]


def pods() -> Iterator[dict[str, Any]]:
    """Every context of a pod with every context of a container, the others around that one in its lists."""
    for of_pod, (number, context) in itertools.product(POD_CONTEXTS, enumerate(CONTEXTS)):
        others = CONTEXTS[number - 1], CONTEXTS[number - 2]
        spec: dict[str, Any] = {"containers": containers(others[0], context)}
        spec |= {} if of_pod is None else {"securityContext": of_pod}
        yield {"metadata": {"annotations": {"own": "a"}} if number % 2 else {}, "spec": spec}
        first = [item | {"name": f"first-{item['name']}"} for item in containers(context, others[1])]
        yield {"spec": spec | {"initContainers": first}}
    yield {"spec": {"os": {"name": "windows"}, "containers": containers(None)}}


@pytest.fixture(scope="module")
def hardened(controlplane: Cluster) -> Iterator[Cluster]:
    """The shared cluster with one mutating policy for each set of defaults, in a namespace of its own."""
    names = {part: namespace(controlplane, f"defaults-{part}") for part in PARTS} | {
        "": namespace(controlplane, "defaults-none")
    }
    made = [item for part in PARTS for item in _mutating(names[part], PARTS[part])]
    controlplane.apply(made)
    try:
        wait_until(lambda: asyncio.run(_are_loaded(controlplane)), 60, "the policies being loaded")
        yield controlplane
    finally:
        for item in made:
            controlplane.kubectl("delete", item["kind"].lower(), item["metadata"]["name"])


def _mutating(place: str, defaults: Mapping[str, Any]) -> list[dict[str, Any]]:
    spec = HardeningPolicySpec.read_strictly(policy(place, podDefaults=defaults)["spec"])
    pair = build(place, "uid-1", spec, "breakwater-system")
    bound = {"policyName": pair.name, "matchResources": pair.scope}
    return [
        {"apiVersion": API, "kind": kind, "metadata": {"name": pair.name}, "spec": content}
        for kind, content in (
            ("MutatingAdmissionPolicy", dict(pair.mutating or {})),
            ("MutatingAdmissionPolicyBinding", bound),
        )
    ]


async def _are_loaded(cluster: Cluster) -> bool:
    plain = {"spec": {"containers": containers(None)}}
    answers = await _tried(cluster, [(f"defaults-{part}", plain) for part in PARTS])
    return all(answer.code == 201 and _marks(answer) for answer in answers)


async def _tried(cluster: Cluster, asked: list[tuple[str, Mapping[str, Any]]]) -> list[Answer]:
    async with DryRuns(cluster.admin_kubeconfig) as client:
        return await client.create(asked)


def _marks(answer: Answer) -> list[str]:
    annotations = answer.stored["metadata"].get("annotations") or {}
    return [key for key in annotations if key.startswith("hardened-by.")]


def _fields(value: object, path: str) -> Iterator[str]:
    """Every leaf that says something, as paths with their values; lists of texts are leaves."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _fields(item, f"{path}.{key}")
    elif isinstance(value, list) and not all(isinstance(item, str) for item in value):
        for number, item in enumerate(value):
            yield from _fields(item, f"{path}[{number}]")
    elif value not in ([], None):
        said = f"[{', '.join(value)}]" if isinstance(value, list) else str(value).replace("True", "true")
        yield f"{path}: {said.replace('False', 'false')}"


@pytest.mark.parametrize("part", PARTS)
def test_the_api_server_sets_exactly_what_python_says_and_changes_nothing_declared(
    hardened: Cluster, part: str
) -> None:
    defaults = PodDefaults.read(PARTS[part])
    asked = list(pods())
    places = (f"defaults-{part}", "defaults-none")
    answers = asyncio.run(_tried(hardened, [(place, pod) for pod in asked for place in places]))
    wrong = {}
    for pod, answer, plain in zip(asked, answers[::2], answers[1::2], strict=True):
        if plain.code != 201:
            # Not even a pod: no policy is asked.
            continue
        before, after = set(_fields(plain.stored["spec"], "spec")), set(_fields(answer.stored["spec"], "spec"))
        if answer.code != 201 or not before <= after or after - before != set(changes(pod, defaults)):
            wrong[str(pod)] = (answer.code, answer.message, before - after, after - before)
        assert bool(_marks(answer)) == ("os" not in pod["spec"])
        assert (answer.stored["metadata"].get("annotations") or {}).get("own") == (
            pod.get("metadata", {}).get("annotations") or {}
        ).get("own")
    assert wrong == {}
    assert sum(answer.code == 201 for answer in answers[1::2]) > 100


def test_the_largest_pods_are_hardened_within_the_cost_limits(hardened: Cluster) -> None:
    pod = {"spec": {"containers": containers(*(CONTEXTS[number % 3] for number in range(MOST_CONTAINERS)))}}
    (answer,) = asyncio.run(_tried(hardened, [("defaults-all", pod)]))
    assert (answer.code, answer.message) == (201, "")
    assert changes(answer.stored, PodDefaults.read(DEFAULTS)) == ()
