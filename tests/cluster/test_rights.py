"""The operator's rights, as the API server's own authorizer sees them: enough for its work, and no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.hardening_scene import await_bound, policy
from tests.cluster.harness import EXAMPLE, USER, OperatorProcess, all_ready, install
from tests.controlplane import ControlPlane, KubectlError, wait_until

REFUSED = [
    ("create", "pods", "bpm"),
    ("create", "pods", "kube-system"),
    ("create", "pods/exec", "bpm"),
    ("delete", "pods", "breakwater-system"),
    ("update", "validatingadmissionpolicies.admissionregistration.k8s.io", ""),
    ("create", "mutatingwebhookconfigurations.admissionregistration.k8s.io", ""),
    ("update", "hardeningpolicies.breakwater.dev", ""),
    ("update", "deployments.apps", "bpm"),
    ("delete", "deployments.apps", "bpm"),
    ("patch", "poddisruptionbudgets.policy", "bpm"),
    ("update", "rotationschedules.breakwater.dev", "bpm"),
    ("update", "securityzones.breakwater.dev", "bpm"),
    ("update", "ingresses.networking.k8s.io", "bpm"),
    ("delete", "ingresses.networking.k8s.io", "bpm"),
    ("update", "communicationchannels.breakwater.dev", "bpm"),
    ("delete", "communicationchannels.breakwater.dev", "bpm"),
    ("delete", "certificateauthorities.breakwater.dev", ""),
    ("delete", "namespaces", ""),
    ("escalate", "clusterroles.rbac.authorization.k8s.io", ""),
    ("bind", "clusterroles.rbac.authorization.k8s.io", ""),
    ("impersonate", "users", ""),
    ("create", "rolebindings.rbac.authorization.k8s.io", "bpm"),
    ("create", "serviceaccounts/token", "kube-system"),
    ("patch", "secrets", "bpm"),
    ("deletecollection", "secrets", "bpm"),
    ("update", "configmaps", "bpm"),
    ("get", "leases.coordination.k8s.io", "kube-system"),
    ("update", "customresourcedefinitions.apiextensions.k8s.io", ""),
]


@pytest.fixture(scope="module")
def served() -> Iterator[ControlPlane]:
    """The example, brought up by the operator under its own account."""
    with ControlPlane() as cluster:
        install(cluster)
        with OperatorProcess(cluster):
            cluster.apply(EXAMPLE)
            wait_until(all_ready(cluster), 60, "the example being Ready")
            cluster.apply(policy("rights"))
            await_bound(cluster, "rights")
        yield cluster


def test_nothing_that_the_operator_asks_for_is_forbidden(served: ControlPlane) -> None:
    own = list(served.audit().events(user=USER))
    assert len(own) > 20
    # Of a trial's samples it is PodSecurity that refuses one until its policies are loaded; that it passed shows that
    # they may be made.
    refused = [event for event in own if event.code == 403 and "dryRun=All" not in event.uri]
    assert [f"{event.verb} {event.uri}" for event in refused] == []


@pytest.mark.parametrize(("verb", "resource", "namespace"), REFUSED)
def test_what_it_does_not_need_is_refused(served: ControlPlane, verb: str, resource: str, namespace: str) -> None:
    scope = ["-n", namespace] if namespace else []
    with pytest.raises(KubectlError, match="ended with 1"):
        served.kubectl("auth", "can-i", verb, resource, *scope, "--as", USER)


def test_no_rule_holds_a_wildcard(served: ControlPlane) -> None:
    rules = (
        served.get("clusterrole", "breakwater")["rules"]
        + served.get("role", "breakwater", "-n", "breakwater-system")["rules"]
    )
    assert rules
    assert not [rule for rule in rules if "*" in {*rule.get("apiGroups", ()), *rule["resources"], *rule["verbs"]}]
