"""Before Kubernetes 1.30 no API server refuses pods by a policy either: templates are patched, and it is said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.hardening_scene import (
    HARDENED_CONTAINER,
    HARDENED_POD,
    ROOT,
    await_reason,
    enforced,
    pod,
    pods_of,
    policy,
    tried,
    workload,
)
from tests.cluster.harness import OperatorProcess, conditions
from tests.cluster.ledger import namespace
from tests.cluster.rolling import QUICK, apply_and_settle, running_pods, schedule
from tests.controlplane import ControlPlane, wait_until

KINDS = ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
BEFORE_REFUSING = (
    f"--runtime-config={','.join(f'admissionregistration.k8s.io/v1/{kind}=false' for kind in KINDS)}",
    # Its plugin would wait for them for ever.
    "--disable-admission-plugins=ServiceAccount,ValidatingAdmissionPolicy",
)


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with running_pods(emulated_version="1.35", extra_apiserver_args=BEFORE_REFUSING) as own:
        own.apply(schedule(**QUICK))
        yield own


def test_templates_are_patched_and_it_is_said_that_nothing_is_refused(plane: ControlPlane) -> None:
    place = namespace(plane, "suite")
    apply_and_settle(plane, workload(place, "app"))
    with OperatorProcess(plane, lease_duration=4) as operator:
        operator.wait_leading()
        plane.apply(policy(place))
        await_reason(plane, place, "NotServed")

        def count() -> str:
            return str(enforced(plane, place).get("message", "")).partition(" pod templates")[0]

        wait_until(lambda: count() == "1 of 1", 60, "the template being patched")
        spec = pods_of(plane, place, "app")[0]["spec"]
        assert (spec["securityContext"], spec["containers"][0]["securityContext"]) == (HARDENED_POD, HARDENED_CONTAINER)
        message = str(enforced(plane, place)["message"])
        assert "violating pods are not refused" in message
        assert "Kubernetes 1.30 serves the policies that refuse pods" in message
        found = conditions(plane.get("harden", place))
        assert {found[name]["status"] for name in ("Enforced", "Ready")} == {"False"}
        assert not tried(plane, pod(place, "root", ROOT))
