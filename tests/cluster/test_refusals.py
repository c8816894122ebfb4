"""What one namespace is refused, by RBAC, quota or policy, stops nothing elsewhere and is made up for when it ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.gap import RELEASED
from tests.cluster.harness import (
    NAMESPACE,
    OperatorProcess,
    all_ready,
    authority,
    channel,
    conditions,
    install,
    is_ready,
)
from tests.cluster.kubelet import Kubelet
from tests.controlplane import ControlPlane, wait_until
from tests.controlplane.proxy_client import FaultProxy
from tests.controlplane.proxy_model import Match, Reset, Silence, WatchError

pytestmark = pytest.mark.alone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.harness import Cluster

SOON = 15.0
RECOVERY = 60.0
CLUSTER_WIDE = ("certificateauthorities", "certificateauthorities/status", "clustertrustbundles", "namespaces", "nodes")


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as cluster:
        install(cluster)
        cluster.apply(authority())
        yield cluster


@pytest.fixture(scope="module")
def operator(plane: ControlPlane) -> Iterator[OperatorProcess]:
    with OperatorProcess(plane) as running:
        wait_until(all_ready(plane, "bwca"), 30, "the authority being Ready")
        yield running


def namespaces(plane: Cluster, *names: str) -> None:
    plane.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names])


def ready_condition(plane: Cluster, namespace: str, name: str = "app") -> dict[str, Any]:
    return dict(conditions(plane.get("chan", name, "-n", namespace)).get("Ready", {}))


def await_reason(plane: Cluster, namespace: str, reason: str, remedy: str) -> None:
    """Until Ready is False for this reason, in a message that holds the remedy."""

    def told() -> bool:
        ready = ready_condition(plane, namespace)
        return ready.get("status") == "False" and ready.get("reason") == reason

    try:
        wait_until(told, SOON, f"{namespace} telling {reason}")
    except TimeoutError as error:
        raise AssertionError(f"{namespace} tells {ready_condition(plane, namespace)}") from error
    assert remedy in ready_condition(plane, namespace)["message"]


def await_others(plane: Cluster, namespace: str) -> None:
    """A channel of another namespace, made now, becomes Ready."""
    plane.apply(channel(namespace, "beside"))
    wait_until(lambda: is_ready(plane.get("chan", "beside", "-n", namespace)), SOON, "the one beside being Ready")


def await_recovery(plane: Cluster, namespace: str) -> None:
    mended = time.monotonic()
    wait_until(lambda: is_ready(plane.get("chan", "app", "-n", namespace)), RECOVERY, "recovery without help")
    print(f"{namespace} recovered after {time.monotonic() - mended:.1f} s")


def test_a_full_quota_is_told_and_its_rise_is_enough(plane: ControlPlane, operator: OperatorProcess) -> None:
    namespaces(plane, "full", "full-beside")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": "full"}}
    plane.apply({**quota, "spec": {"hard": {"count/secrets": "1"}}})
    wait_until(lambda: plane.get("quota", "few", "-n", "full")["status"].get("hard"), SOON, "the quota being counted")

    login = {"password": {"generate": {"username": "app", "length": 32}}}
    plane.apply(channel("full", "app", authentication=login))

    await_reason(plane, "full", "QuotaExceeded", "raise the quota")
    await_others(plane, "full-beside")
    plane.apply({**quota, "spec": {"hard": {"count/secrets": "20"}}})
    await_recovery(plane, "full")


def test_a_foreign_policy_that_refuses_is_told_and_its_end_is_enough(
    plane: ControlPlane, operator: OperatorProcess
) -> None:
    namespaces(plane, "policed", "policed-beside")
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"]}
    place = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "policed"}}}
    kind = {"apiVersion": "admissionregistration.k8s.io/v1"}
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule], **place},
        "validations": [{"expression": "false", "message": "Secrets come from the vault"}],
    }
    binding = {"policyName": "vault-only", "validationActions": ["Deny"]}
    meta = {"metadata": {"name": "vault-only"}}
    plane.apply({**kind, "kind": "ValidatingAdmissionPolicy", **meta, "spec": policy})
    plane.apply({**kind, "kind": "ValidatingAdmissionPolicyBinding", **meta, "spec": binding})
    wait_until(lambda: refuses_secrets(plane, "policed"), SOON, "the policy being in force")

    plane.apply(channel("policed", "app"))

    await_reason(plane, "policed", "AdmissionRefused", "Secrets come from the vault")
    await_others(plane, "policed-beside")
    plane.kubectl("delete", "validatingadmissionpolicybinding", "vault-only")
    await_recovery(plane, "policed")


def refuses_secrets(plane: Cluster, namespace: str) -> bool:
    try:
        plane.kubectl("create", "secret", "generic", "try", "-n", namespace, "--dry-run=server")
    except RuntimeError:
        return True
    return False


def bind(plane: Cluster, role: str, namespace: str = "") -> dict[str, Any]:
    """A binding of a ClusterRole to the operator's account, in one namespace or in all."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": {"name": f"served-{role}"} | ({"namespace": namespace} if namespace else {}),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "breakwater", "namespace": NAMESPACE}],
    }


def split_rights(plane: Cluster) -> None:
    """Take the rights on namespaced types away from the whole and keep those on cluster-scoped ones."""
    rules = plane.get("clusterrole", "breakwater")["rules"]
    wide = [
        {**rule, "resources": kept}
        for rule in rules
        if (kept := [name for name in rule["resources"] if name in (*CLUSTER_WIDE, "customresourcedefinitions")])
    ]
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    plane.apply({**kind, "metadata": {"name": "breakwater-wide"}, "rules": wide})
    plane.apply(bind(plane, "breakwater-wide"))
    plane.kubectl("delete", "clusterrolebinding", "breakwater")


@pytest.fixture(scope="module")
def divided() -> Iterator[ControlPlane]:
    """A cluster in which the operator may act in its own namespace and in `one` and `two` only."""
    with ControlPlane() as cluster:
        install(cluster)
        namespaces(cluster, "one", "two")
        split_rights(cluster)
        cluster.apply([bind(cluster, "breakwater", namespace) for namespace in (NAMESPACE, "one", "two")])
        cluster.apply(authority())
        yield cluster


@pytest.fixture(scope="module")
def proxy(divided: ControlPlane) -> Iterator[FaultProxy]:
    with FaultProxy(divided.url, divided.workdir / "pki" / "ca.crt") as running:
        yield running


@pytest.fixture(scope="module")
def kubelet(divided: ControlPlane, proxy: FaultProxy) -> Iterator[Kubelet]:
    arguments = ("--namespace", "one", "--namespace", "two")
    operator = OperatorProcess(divided, arguments=arguments, server=proxy.url, ca_file=proxy.ca_file)
    with Kubelet(operator) as running:
        operator.wait_ready()
        yield running


def test_a_namespace_that_may_not_be_read_leaves_the_others_served(
    divided: ControlPlane, proxy: FaultProxy, kubelet: Kubelet
) -> None:
    divided.apply([channel("one", "app"), channel("two", "app")])
    wait_until(all_ready(divided, "chan", "-A"), 30, "both channels being Ready")

    divided.kubectl("delete", "rolebinding", "served-breakwater", "-n", "two")
    proxy.add(Match(verb="watch", namespace="two"), Reset(), scope="live")
    wait_until(lambda: refused_in_two(kubelet.operator), SOON, "namespace two being refused")
    divided.kubectl("delete", "chan", "app", "-n", "two")
    divided.apply(channel("two", "later"))
    await_others(divided, "one")
    divided.kubectl("delete", "secret", "app-tls", "-n", "one")
    wait_until(lambda: "app-tls" in divided.kubectl("get", "secrets", "-n", "one"), SOON, "repair in one")
    assert kubelet.operator.get("/healthz")[0] == 200

    divided.apply(bind(divided, "breakwater", "two"))
    mended = time.monotonic()
    wait_until(lambda: is_ready(divided.get("chan", "later", "-n", "two")), RECOVERY, "the later one being Ready")
    wait_until(lambda: released(divided, "two", "app-tls"), RECOVERY, "the deleted channel's Secret being released")
    print(f"two recovered after {time.monotonic() - mended:.1f} s")
    assert kubelet.exits == []


def refused_in_two(operator: OperatorProcess) -> bool:
    return any(line.get("scope") == "two" and "403" in line["error"] for line in operator.lines("watch interrupted"))


def released(plane: Cluster, namespace: str, name: str) -> bool:
    return RELEASED in plane.get("secret", name, "-n", namespace)["metadata"]["labels"]


def test_a_deletion_is_noticed_when_nothing_is_left_to_list(
    divided: ControlPlane, proxy: FaultProxy, kubelet: Kubelet
) -> None:
    """After a 410 kopf lists again; an empty list is nothing that it would tell anybody."""
    names = [item["metadata"]["name"] for item in divided.get("chan", "-n", "one")["items"]]
    assert names
    watch = Match(verb="watch", namespace="one", resource="communicationchannels")
    proxy.add(watch, Silence(), scope="live")
    divided.kubectl("delete", "chan", "--all", "-n", "one")
    proxy.add(watch, WatchError(code=410), scope="live")
    mended = time.monotonic()
    wait_until(lambda: released(divided, "one", f"{names[0]}-tls"), RECOVERY, "the deletion being noticed")
    print(f"noticed after {time.monotonic() - mended:.1f} s")
    assert kubelet.exits == []


def test_a_namespace_that_may_not_be_written_tells_so_and_leaves_the_others_served(
    plane: ControlPlane, operator: OperatorProcess
) -> None:
    """Reading stays allowed everywhere; Secrets may be written in all namespaces but one."""
    namespaces(plane, "mute", "mute-beside")
    original = plane.get("clusterrole", "breakwater")
    reading = [
        {**rule, "verbs": ["get", "list", "watch"]} if "secrets" in rule["resources"] else rule
        for rule in original["rules"]
    ]
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    plane.apply({**kind, "metadata": {"name": "full"}, "rules": original["rules"]})
    plane.apply([bind(plane, "full", place) for place in (NAMESPACE, "mute-beside")])
    plane.apply({**kind, "metadata": {"name": "breakwater"}, "rules": reading})
    account = f"system:serviceaccount:{NAMESPACE}:breakwater"
    mute = ("auth", "can-i", "create", "secrets", "-n", "mute", "--as", account)
    wait_until(lambda: denied(plane, *mute), SOON, "the right being gone")

    plane.apply(channel("mute", "app"))

    await_reason(plane, "mute", "Forbidden", "may not write")
    await_others(plane, "mute-beside")
    plane.apply({**kind, "metadata": {"name": "breakwater"}, "rules": original["rules"]})
    await_recovery(plane, "mute")


def denied(plane: Cluster, *question: str) -> bool:
    try:
        plane.kubectl(*question)
    except RuntimeError:
        return True
    return False
