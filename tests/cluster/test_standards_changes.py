"""Which changes of a pod the standards judge: those that add a container or change an image, as PodSecurity does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from breakwater.hardening.standards import NEWEST, Level
from tests.cluster.dry_runs import Answer, DryRuns
from tests.cluster.standards_scene import LATEST, by_podsecurity, by_python, by_server, until_refused
from tests.controlplane import Cluster
from tests.standards.policies import labels

NAMESPACE = "standards-changes"
GOOD_CONTEXT: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
GOOD_POD = {"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}}


def _pod(name: str, context: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    container = {"name": "app", "image": "app:1", "securityContext": context}
    metadata = {"name": name, "namespace": NAMESPACE, "finalizers": ["example.com/kept"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container], **spec}}


PODS = {"good": _pod("good", GOOD_CONTEXT, GOOD_POD), "bad": _pod("bad", {"privileged": True}, {"hostPID": True})}


@pytest.fixture(scope="module")
def pods(standards: Cluster) -> Iterator[Cluster]:
    """One pod that meets Restricted and one, older than the policy's binding, that does not."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    standards.apply([namespace, *PODS.values()])
    standards.apply({**namespace, "metadata": {"name": NAMESPACE, "labels": labels(*LATEST)}})
    asyncio.run(_until_bound(standards))
    yield standards
    standards.kubectl("patch", "pod", *PODS, "-n", NAMESPACE, "-p", '{"metadata":{"finalizers":null}}')
    standards.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


async def _until_bound(cluster: Cluster) -> None:
    async with DryRuns(cluster.admin_kubeconfig) as client:
        await until_refused(client, NAMESPACE)


def _patched(cluster: Cluster, name: str, change: Mapping[str, Any], subresource: str = "") -> Answer:
    async def patch() -> Answer:
        async with DryRuns(cluster.admin_kubeconfig) as client:
            return await client.patch(NAMESPACE, name, change, subresource)

    return asyncio.run(patch())


IMAGE = {"spec": {"containers": [{"name": "app", "image": "app:2"}]}}
CHANGES: dict[str, tuple[str, dict[str, Any], str, int]] = {
    "a bad pod's label": ("bad", {"metadata": {"labels": {"a": "b"}}}, "", 200),
    "a bad pod's finalizers, or it could never go": ("bad", {"metadata": {"finalizers": None}}, "", 200),
    "a bad pod's status": ("bad", {"status": {"reason": "Evicted"}}, "/status", 200),
    "a bad pod's deadline": ("bad", {"spec": {"activeDeadlineSeconds": 60}}, "", 200),
    "a bad pod's image": ("bad", IMAGE, "", 403),
    "a good pod's image": ("good", IMAGE, "", 200),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_are_judged_as_podsecurity_judges_them(pods: Cluster, name: str) -> None:
    pod, change, subresource, code = CHANGES[name]
    answer = _patched(pods, pod, change, subresource)
    assert answer.code == code
    assert by_podsecurity(answer) == (code == 403)


DEBUGGERS: dict[str, dict[str, Any]] = {
    "good": GOOD_CONTEXT,
    "none": {},
    "privileged": {"privileged": True},
    "root": {**GOOD_CONTEXT, "runAsUser": 0},
    "may be root": {**GOOD_CONTEXT, "runAsNonRoot": False},
    "unconfined": {**GOOD_CONTEXT, "seccompProfile": {"type": "Unconfined"}},
    "no AppArmor": {**GOOD_CONTEXT, "appArmorProfile": {"type": "Unconfined"}},
    "another SELinux type": {**GOOD_CONTEXT, "seLinuxOptions": {"type": "spc_t"}},
    "a capability": {**GOOD_CONTEXT, "capabilities": {"drop": ["ALL"], "add": ["SYS_PTRACE"]}},
}


@pytest.mark.parametrize("name", DEBUGGERS)
def test_a_container_added_for_debugging_is_judged_like_any_other(pods: Cluster, name: str) -> None:
    debugger = {"name": "debug", "image": "debug", "securityContext": DEBUGGERS[name]}
    answer = _patched(pods, "good", {"spec": {"ephemeralContainers": [debugger]}}, "/ephemeralcontainers")
    expected = by_python(Level.RESTRICTED, NEWEST, _with(PODS["good"], debugger))
    assert by_server(answer) == expected
    assert answer.code == (403 if expected else 200)
    assert bool(expected) == by_podsecurity(answer) == (name != "good")


def _with(pod: Mapping[str, Any], debugger: Mapping[str, Any]) -> dict[str, Any]:
    return {**pod, "spec": {**pod["spec"], "ephemeralContainers": [debugger]}}
