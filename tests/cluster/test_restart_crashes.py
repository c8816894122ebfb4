"""The operator dies, or is paused, while a workload is to be restarted: it is restarted for that content once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.cluster.harness import USER, OperatorProcess
from tests.cluster.lane import TIMEOUT
from tests.cluster.ledger import namespace
from tests.cluster.rolling import (
    QUICK,
    apply_and_settle,
    await_current,
    consumer,
    flow,
    renew,
    restarts_ordered,
    running_pods,
    schedule,
    short_lived,
    watching,
)
from tests.cluster.suite import generation
from tests.controlplane import ControlPlane
from tests.controlplane.proxy_client import FaultProxy
from tests.controlplane.proxy_model import Kill, Match, Stop, When

pytestmark = pytest.mark.alone

LEASE = 6
"""Seconds; so long after a leader's last renewal another takes over."""


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with running_pods() as made:
        made.apply([short_lived("2160h"), schedule(**QUICK)])
        yield made


def replica(plane: ControlPlane, proxy: FaultProxy, identity: str, lease: int = 15) -> OperatorProcess:
    return OperatorProcess(plane, identity=identity, server=proxy.url, ca_file=proxy.ca_file, lease_duration=lease)


def prepare(plane: ControlPlane, space: str) -> None:
    """A consumer that runs with what it should."""
    namespace(plane, space)
    plane.apply(flow(space, "a", "app"))
    apply_and_settle(plane, consumer(space, "app", "a-tls"))
    await_current(plane, space, "a")


def orders(space: str) -> Match:
    return Match(verb="patch", resource="deployments", namespace=space)


class Death(NamedTuple):
    """A request at which the operator dies."""

    what: str
    match: Match
    when: When


CERTIFICATE = Match(verb="update", resource="secrets", namespace="killed", name="a-tls")
TOLD = Match(verb="update", resource="communicationchannels", subresource="status", namespace="killed")
DEATHS = (
    Death("the new certificate", CERTIFICATE, "before"),
    Death("the new certificate", CERTIFICATE, "after"),
    Death("the word that it is needed", TOLD, "before"),
    Death("the word that it is needed", TOLD, "after"),
    Death("the order", orders("killed"), "before"),
    Death("the order", orders("killed"), "after"),
    Death("the word that it is under way", TOLD, "before"),
    Death("the word that it is under way, or over", TOLD, "after"),
)


def test_an_operator_that_dies_at_every_step_of_a_restart_restarts_once(plane: ControlPlane, proxy: FaultProxy) -> None:
    space = "killed"
    with replica(plane, proxy, "mortal") as operator:
        operator.wait_leading()
        prepare(plane, space)
        with watching(plane.admin_kubeconfig, space) as seen:
            for number, death in enumerate(DEATHS):
                rule = proxy.add(death.match, Kill(pid=operator.pid, when=death.when))
                if number == 0:
                    renew(plane, space, "a")
                proxy.wait_applied(rule, TIMEOUT)
                operator.wait()
                proxy.remove(rule)
                operator.start()
            operator.wait_leading()
            await_current(plane, space, "a")
        assert seen.restarts == {"app": 1}
        assert seen.unavailable == []
    assert generation(plane.get("secret", "a-tls", "-n", space)) == 2
    assert restarts_ordered(plane, space) == 1


def test_the_late_order_of_a_paused_leader_restarts_nobody_again(plane: ControlPlane, proxy: FaultProxy) -> None:
    space = "paused"
    first, second = replica(plane, proxy, "first", LEASE), replica(plane, proxy, "second", LEASE)
    with first:
        first.wait_leading()
        prepare(plane, space)
        with second, watching(plane.admin_kubeconfig, space) as seen:
            mine = orders(space).model_copy(update={"user_agent": "breakwater/first"})
            rule = proxy.add(mine, Stop(pid=first.pid, first="request"))
            renew(plane, space, "a")
            proxy.wait_applied(rule, TIMEOUT)
            second.wait_leading()
            await_current(plane, space, "a")
            assert seen.restarts == {"app": 1}
            mark = plane.audit().mark()
            proxy.remove(rule)
            assert first.wait(TIMEOUT) > 0, "a leader that lost its Lease ends with an error of its own"
            late = [event for event in plane.audit().events(mark, user=USER) if event.resource == "deployments"]
            assert [(event.verb, event.code) for event in late if event.verb == "patch"] == [("patch", 409)]
            await_current(plane, space, "a")
        assert seen.restarts == {"app": 1}
        assert restarts_ordered(plane, space) == 1
