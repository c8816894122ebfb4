"""10,000 pods of 1,000 workloads under one policy: quiet is quiet, and a pod's status is nobody's business."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pykube
import pytest

from tests.cluster.hardening_scene import await_bound, pod, policy, settle, status
from tests.cluster.harness import NAMESPACE, OperatorProcess, install
from tests.cluster.ledger import complaints, namespace, still, writes
from tests.controlplane import ControlPlane, wait_until

pytestmark = pytest.mark.alone

PLACE, WORKLOADS, REPLICAS = "many", 1000, 10
QUIET_SECONDS = 10
PLANS = 'breakwater_plans_total{kind="HardeningPolicy"}'


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """Without controllers, which would collect pods whose owners are made up; that they stand is enough."""
    with ControlPlane(controllers=False) as own:
        install(own)
        for place in (namespace(own, PLACE), NAMESPACE):
            account = {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": "default", "namespace": place},
            }
            own.apply(account)
        create_all(own)
        yield own


def one(workload: int, replica: int) -> dict[str, Any]:
    item = pod(PLACE, f"app-{workload}-{replica}", {"runAsUser": 1000 + workload})
    labels = {"app": f"app-{workload}", "pod-template-hash": "5d8"}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"app-{workload}-5d8", "uid": f"{workload}"}
    item["metadata"] |= {"labels": labels, "ownerReferences": [owner | {"controller": True}]}
    item["spec"]["automountServiceAccountToken"] = False
    return item


def create_all(own: ControlPlane) -> None:
    client = pykube.HTTPClient(pykube.KubeConfig.from_file(str(own.kubeconfig("bulk", ["system:masters"]))), timeout=60)
    path = f"{client.url}/api/v1/namespaces/{PLACE}/pods"

    def create(item: dict[str, Any]) -> None:
        client.session.post(path, json=item).raise_for_status()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(create, (one(workload, replica) for workload in range(WORKLOADS) for replica in range(REPLICAS))))


def plans(operator: OperatorProcess) -> float:
    """How often policies were planned."""
    _, text = operator.get("/metrics")
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(PLANS))


def resident(operator: OperatorProcess) -> int:
    """Megabytes of memory."""
    lines = Path(f"/proc/{operator.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS"))


def set_status(plane: ControlPlane, **fields: Any) -> None:
    patch = json.dumps({"status": fields})
    plane.kubectl("patch", "pod", "app-7-3", "-n", PLACE, "--subresource=status", "--type=merge", "-p", patch)


def test_many_pods_are_judged_once_and_a_status_plans_nothing(plane: ControlPlane) -> None:
    with OperatorProcess(plane, lease_duration=4) as operator:
        operator.wait_leading()
        plane.apply(policy(PLACE))
        await_bound(plane, PLACE)
        counts = {"judged": WORKLOADS * REPLICAS, "conforming": 0, "violating": WORKLOADS * REPLICAS, "unknown": 0}
        wait_until(lambda: status(plane, PLACE).get("pods") == counts, 30, "all of them being judged")
        mark = still(plane, 3)
        before, said = plans(operator), len(complaints(operator))
        for number in range(10):
            set_status(plane, phase="Running", podIPs=[{"ip": f"10.0.0.{number + 1}"}])
        settle(QUIET_SECONDS)
        assert (writes(plane, mark), plans(operator) - before) == ([], 0)
        set_status(plane, phase="Succeeded")
        counts |= {"judged": WORKLOADS * REPLICAS - 1, "violating": WORKLOADS * REPLICAS - 1}
        wait_until(lambda: status(plane, PLACE).get("pods") == counts, 20, "the one that ended not being counted")
        assert plans(operator) - before <= 3
        print(f"{before:.0f} plans, {resident(operator)} MB")
        assert resident(operator) < 250
        assert complaints(operator)[said:] == []
