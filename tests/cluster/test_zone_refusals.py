"""A zone whose writes are refused says so with the remedy, tries again, and comes about when that ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.cluster.harness import OperatorProcess, conditions, install, is_ready
from tests.cluster.ledger import namespace
from tests.cluster.traefik import define, ingress, linked
from tests.controlplane import ControlPlane, wait_until
from tests.controlplane.proxy_client import FaultProxy
from tests.controlplane.proxy_model import Action, Match, Reset, refusal

REFUSALS: Mapping[str, tuple[str, Action, tuple[str, ...]]] = {
    "middleware-forbidden": (
        "middlewares",
        refusal(403, 'middlewares.traefik.io is forbidden: User "breakwater" cannot patch resource "middlewares"'),
        ("Middleware middleware-forbidden/breakwater-app-hsts", "grant its service account that right"),
    ),
    "ingress-forbidden": (
        "ingresses",
        refusal(403, 'ingresses.networking.k8s.io "app" is forbidden: User "breakwater" cannot patch'),
        ("Ingress ingress-forbidden/app", "grant its service account that right"),
    ),
    "ingress-policed": (
        "ingresses",
        refusal(403, 'ValidatingAdmissionPolicy "frozen" denied request: no annotations today'),
        ("no annotations today", "adapt that policy"),
    ),
    "ingress-broken": ("ingresses", refusal(500), ("answered 500; trying again",)),
    "ingress-crowded": ("ingresses", refusal(429, retry_after=1), ("asked to wait",)),
    "ingress-cut-off": ("ingresses", Reset(), ("did not answer; trying again",)),
}


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as made:
        install(made)
        define(made)
        yield made


@pytest.fixture(scope="module")
def refused(plane: ControlPlane, proxy: FaultProxy) -> Iterator[dict[str, int]]:
    """All of them refused side by side; the proxy's rule for each."""
    with OperatorProcess(plane, server=proxy.url, ca_file=proxy.ca_file) as operator:
        operator.wait_leading()
        rules = {}
        for space, (resource, action, _) in REFUSALS.items():
            namespace(plane, space)
            rules[space] = proxy.add(Match(verb="patch", resource=resource, namespace=space), action)
            plane.apply([*ingress(space, "app", 80), zone(space)])
        yield rules
        assert operator.metric("breakwater_bugs_total") == 0


def zone(space: str) -> dict[str, Any]:
    return {
        "apiVersion": "breakwater.dev/v1alpha1",
        "kind": "SecurityZone",
        "metadata": {"name": "zone", "namespace": space},
        "spec": {"mode": "Enforce", "ingressSelector": {}, "hsts": {"enabled": True}},
    }


def found(plane: ControlPlane, space: str) -> dict[str, Any]:
    item: dict[str, Any] = plane.get("zone", "zone", "-n", space)
    return item


@pytest.mark.parametrize("space", REFUSALS)
def test_a_refused_write_is_told_with_its_remedy(plane: ControlPlane, refused: dict[str, int], space: str) -> None:
    words = REFUSALS[space][2]

    def said() -> str:
        return str(conditions(found(plane, space)).get("Ready", {}).get("message", ""))

    wait_until(lambda: all(each in said() for each in words), 40, f"{space} telling {words}")
    ready = conditions(found(plane, space))["Ready"]
    assert (ready["status"], ready["reason"]) == ("False", "Failing")


@pytest.mark.parametrize("space", REFUSALS)
def test_a_zone_comes_about_when_the_refusal_ends(
    plane: ControlPlane, proxy: FaultProxy, refused: dict[str, int], space: str
) -> None:
    proxy.remove(refused[space])
    wait_until(lambda: is_ready(found(plane, space)), 90, f"{space} being Ready")
    assert linked(plane, space, "app") == [f"{space}-breakwater-app-hsts@kubernetescrd"]
