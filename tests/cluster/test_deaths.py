"""The operator dies at every step of a zone's life, and of a policy's way into force: the next goes on from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import NamedTuple

import pytest

from tests.cluster.hardening_scene import await_bound, made, policy
from tests.cluster.harness import USER, OperatorProcess, install, is_ready
from tests.cluster.lane import TIMEOUT
from tests.cluster.ledger import namespace
from tests.cluster.second_client import Manifest
from tests.cluster.traefik import define, ingress, linked
from tests.controlplane import ControlPlane, wait_until
from tests.controlplane.proxy_client import FaultProxy
from tests.controlplane.proxy_model import Kill, Match, When

pytestmark = pytest.mark.alone

GRACE = timedelta(seconds=5)


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as made_now:
        install(made_now)
        define(made_now)
        yield made_now


class Death(NamedTuple):
    """A request at which the operator dies."""

    match: Match
    when: When


def each(*matches: Match) -> list[Death]:
    """Before and after each of these."""
    return [Death(match, when) for match in matches for when in ("before", "after")]


def die(
    plane: ControlPlane, proxy: FaultProxy, identity: str, deaths: list[Death], begin: Callable[[], object]
) -> OperatorProcess:
    """Have an operator die at one request after the other; the last one lives on."""
    operator = OperatorProcess(plane, identity=identity, server=proxy.url, ca_file=proxy.ca_file, lease_duration=15)
    operator.start()
    operator.wait_leading()
    for number, death in enumerate(deaths):
        rule = proxy.add(death.match, Kill(pid=operator.pid, when=death.when))
        if number == 0:
            begin()
        proxy.wait_applied(rule, TIMEOUT)
        operator.wait()
        proxy.remove(rule)
        operator.start()
    operator.wait_leading()
    return operator


def write(verb: str, resource: str, space: str = "", **more: str) -> Match:
    """A write of the operator."""
    place = {"namespace": space} if space else {}
    return Match(user_agent="breakwater/", verb=verb, resource=resource, dry_run=False, **place, **more)


ZONE: Manifest = {
    "apiVersion": "breakwater.dev/v1alpha1",
    "kind": "SecurityZone",
    "metadata": {"name": "zone", "namespace": "mortal"},
    "spec": {
        "mode": "Enforce",
        "ingressSelector": {},
        "hsts": {"enabled": True},
        "httpsRedirect": {"enabled": True},
    },
}


def middlewares(plane: ControlPlane) -> list[str]:
    return [item["metadata"]["name"] for item in plane.get("middlewares.traefik.io", "-n", "mortal")["items"]]


def test_an_operator_that_dies_at_every_step_of_a_zones_life_brings_it_about_and_takes_it_back(
    plane: ControlPlane, proxy: FaultProxy
) -> None:
    space = namespace(plane, "mortal")
    plane.apply(ingress(space, "app", 80))
    before = plane.get("ingress", "app", "-n", space)["spec"]
    patched = write("patch", "middlewares", space), write("patch", "ingresses", space)
    told = write("update", "securityzones", space, subresource="status")
    operator = die(plane, proxy, "zones", each(*patched, told), lambda: plane.apply(ZONE))
    try:
        wait_until(lambda: is_ready(plane.get("zone", "zone", "-n", space)), TIMEOUT, "the zone being Ready")
        links = [f"{space}-breakwater-app-{feature}@kubernetescrd" for feature in ("https", "hsts")]
        assert linked(plane, space, "app") == links
        assert middlewares(plane) == ["breakwater-app-hsts", "breakwater-app-https"]
    finally:
        operator.stop()
    mark = plane.audit().mark()
    deaths = each(write("patch", "ingresses", space), write("delete", "middlewares", space))
    operator = die(plane, proxy, "zones", deaths, lambda: plane.kubectl("delete", "zone", "zone", "-n", space))
    try:
        wait_until(lambda: not middlewares(plane), TIMEOUT, "everything of ours going")
    finally:
        operator.stop()
    after = plane.get("ingress", "app", "-n", space)
    assert (after["spec"], after["metadata"].get("annotations")) == (before, None)
    events = [event for event in plane.audit().events(mark, user=USER) if event.code == 200]
    unlinked = min(event.time for event in events if (event.resource, event.verb) == ("ingresses", "patch"))
    deleted = min(event.time for event in events if (event.resource, event.verb) == ("middlewares", "delete"))
    assert deleted - unlinked >= GRACE - timedelta(seconds=1), "times in the cluster are whole seconds"


def test_an_operator_that_dies_at_every_step_of_a_policys_way_into_force_brings_one_pair_there(
    plane: ControlPlane, proxy: FaultProxy
) -> None:
    name = namespace(plane, "hardened")
    group = {"group": "admissionregistration.k8s.io"}
    made_of = [
        write("patch", resource, **group)
        for resource in (
            "mutatingadmissionpolicies",
            "validatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
            "validatingadmissionpolicybindings",
        )
    ]
    deaths = [*each(*made_of), *each(write("delete", "validatingadmissionpolicybindings", **group))]
    operator = die(plane, proxy, "policies", deaths, lambda: plane.apply(policy(name)))
    try:
        pair = await_bound(plane, name)
        wait_until(lambda: len(made(plane, f"breakwater-{name}-")) == 4, TIMEOUT, "what was for the trial going")
        assert {item.rpartition("/")[2] for item in made(plane, f"breakwater-{name}-")} == {pair}
    finally:
        operator.stop()
