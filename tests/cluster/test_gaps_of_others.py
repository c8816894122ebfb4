"""Streams of Ingresses, zones and admission policies are cut; nothing that happens to them meanwhile is missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.cluster.gap import Fault
from tests.cluster.hardening_scene import BINDINGS, await_bound, made, policy
from tests.cluster.harness import OperatorProcess, install, is_ready
from tests.cluster.kubelet import Kubelet
from tests.cluster.ledger import namespace
from tests.cluster.traefik import LINKS, define, ingress, linked
from tests.controlplane import ControlPlane, wait_until
from tests.controlplane.proxy_client import FaultProxy
from tests.controlplane.proxy_model import Cut, Match, Reset, Silence, Truncate, WatchError, refusal

pytestmark = pytest.mark.alone

WATCHES = Match(verb="watch")
AT_WORST = 75.0
FAULTS: Mapping[str, Fault] = {
    "410-as-event": Fault(Silence(), Reset(), WatchError(code=410)),
    "500-as-status": Fault(Cut(), refusal(500)),
    "429-for-everything": Fault(Cut(), refusal(429, retry_after=2), asked=Match()),
    "truncated-lines": Fault(Truncate(after=40), Reset()),
    "silence": Fault(Silence()),
}


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as made_now:
        install(made_now)
        define(made_now)
        yield made_now


@pytest.fixture(scope="module")
def kubelet(plane: ControlPlane, proxy: FaultProxy) -> Iterator[Kubelet]:
    operator = OperatorProcess(plane, server=proxy.url, ca_file=proxy.ca_file)
    with Kubelet(operator) as running:
        operator.wait_leading()
        yield running


def zone(space: str, name: str) -> dict[str, object]:
    """A zone for the Ingress of its name."""
    return {
        "apiVersion": "breakwater.dev/v1alpha1",
        "kind": "SecurityZone",
        "metadata": {"name": name, "namespace": space},
        "spec": {
            "mode": "Enforce",
            "ingressSelector": {"matchLabels": {"app": name}},
            "hsts": {"enabled": True},
        },
    }


def companion(space: str, name: str) -> list[str]:
    return [f"{space}-breakwater-{name}-hsts@kubernetescrd"]


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_that_happens_to_them_in_a_gap_is_missed(
    plane: ControlPlane, proxy: FaultProxy, kubelet: Kubelet, name: str
) -> None:
    fault, space = FAULTS[name], namespace(plane, f"gap-{name}")
    before = len(kubelet.exits)
    for each in ("stripped", "left"):
        plane.apply([*ingress(space, each, 80), zone(space, each)])
        wait_until(lambda each=each: is_ready(plane.get("zone", each, "-n", space)), 40, f"{each} being Ready")
    plane.apply(policy(space))
    pair = await_bound(plane, space)
    bound = made(plane, pair, BINDINGS)
    proxy.reset()

    held = proxy.add(fault.asked, fault.meanwhile, scope="new") if fault.meanwhile else None
    proxy.add(WATCHES, fault.first, scope="live")
    plane.kubectl("annotate", "ingress", "stripped", "-n", space, f"{LINKS}-")
    plane.kubectl("delete", "zone", "left", "-n", space)
    plane.kubectl("delete", "validatingadmissionpolicybinding", pair)
    plane.apply([*ingress(space, "new", 80), zone(space, "new")])
    if held is not None:
        if fault.last is None:
            proxy.wait_applied(held)
        proxy.remove(held)
    if fault.last is not None:
        proxy.add(WATCHES, fault.last, scope="live")

    wait_until(lambda: linked(plane, space, "new") == companion(space, "new"), AT_WORST, "the new zone")
    wait_until(lambda: linked(plane, space, "stripped") == companion(space, "stripped"), AT_WORST, "the link again")
    wait_until(lambda: linked(plane, space, "left") == [], AT_WORST, "the link of the zone that is gone going")
    wait_until(lambda: made(plane, pair, BINDINGS) == bound, AT_WORST, "the binding again")
    proxy.clear()
    assert len(kubelet.exits) == before, "the process lives on"
