"""Two replicas: one acts, the other is ready to; and what the health endpoints say of a process."""

from __future__ import annotations

import datetime as dt
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.cluster.harness import NAMESPACE, OperatorProcess, all_ready, authority, channel, install
from tests.controlplane import ControlPlane, wait_until
from tests.controlplane.proxy_client import FaultProxy
from tests.controlplane.proxy_model import Match, Silence, refusal

pytestmark = pytest.mark.alone

if TYPE_CHECKING:
    from collections.abc import Iterator

LEASE = ("lease", "breakwater", "-n", NAMESPACE)
AFTER_A_CRASH = 20.0
AFTER_A_STOP = 2.5
DEADLINE = dt.timedelta(seconds=13)
"""10 s without a renewal and the way out, on a busy machine; the Lease is another's after 15 s at the earliest."""


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane() as cluster:
        install(cluster)
        cluster.apply(authority())
        yield cluster


@pytest.fixture
def leader(plane: ControlPlane) -> Iterator[OperatorProcess]:
    with OperatorProcess(plane, identity="leader") as running:
        running.wait_leading()
        yield running


@pytest.fixture
def standby(plane: ControlPlane, leader: OperatorProcess) -> Iterator[OperatorProcess]:
    with OperatorProcess(plane, identity="standby") as running:
        yield running


def make_channel(plane: ControlPlane, namespace: str) -> None:
    plane.kubectl("create", "namespace", namespace)
    plane.apply(channel(namespace, "app"))


def holder(plane: ControlPlane) -> str:
    return str(plane.get(*LEASE)["spec"]["holderIdentity"])


def test_the_standby_acts_soon_after_the_leader_was_killed(
    plane: ControlPlane, leader: OperatorProcess, standby: OperatorProcess
) -> None:
    assert leader.metric("breakwater_leading") == 1
    assert standby.metric("breakwater_leading") == 0
    assert standby.get("/readyz")[0] == 200

    leader.kill()
    killed = time.monotonic()
    make_channel(plane, "crash")

    wait_until(all_ready(plane, "chan", "-n", "crash"), AFTER_A_CRASH + 5, "the standby acting")
    took = time.monotonic() - killed
    print(f"acted {took:.1f} s after kill -9")
    assert took < AFTER_A_CRASH
    assert holder(plane) == "standby"


def test_the_standby_acts_at_once_when_the_leader_stops(
    plane: ControlPlane, leader: OperatorProcess, standby: OperatorProcess
) -> None:
    leader.signal(signal.SIGTERM)
    stopped = time.monotonic()

    standby.wait_leading(AFTER_A_STOP + 5)
    took = time.monotonic() - stopped
    print(f"led {took:.1f} s after SIGTERM")
    assert took < AFTER_A_STOP
    assert leader.wait() == 0


def test_a_leader_whose_lease_was_taken_ends_with_an_error(plane: ControlPlane, leader: OperatorProcess) -> None:
    plane.kubectl("patch", *LEASE, "--type=merge", "-p", '{"spec": {"holderIdentity": "usurper"}}')
    assert leader.wait(15) != 0
    assert holder(plane) == "usurper"
    plane.kubectl("delete", *LEASE)


@pytest.mark.parametrize("way", ["refused", "silent"])
def test_a_leader_that_cannot_renew_ends_before_another_may_lead(
    plane: ControlPlane, proxy: FaultProxy, way: str
) -> None:
    with OperatorProcess(plane, identity="cut-off", server=proxy.url, ca_file=proxy.ca_file) as operator:
        operator.wait_leading()
        leases = Match(resource="leases")
        proxy.add(leases, refusal(500) if way == "refused" else Silence())
        renewed = dt.datetime.now(dt.UTC)
        assert operator.wait(20) != 0
        ended = dt.datetime.fromisoformat(next(operator.lines("ended"))["time"])
        print(f"{way}: ended after {(ended - renewed).total_seconds():.1f} s")
        assert ended - renewed < DEADLINE
    proxy.clear()
    plane.kubectl("delete", *LEASE)


def test_readiness_waits_for_everything_to_be_listed(plane: ControlPlane, proxy: FaultProxy) -> None:
    held = proxy.add(Match(verb="list", resource="communicationchannels"), refusal(500))
    operator = OperatorProcess(plane, identity="unready", server=proxy.url, ca_file=proxy.ca_file)
    try:
        operator.start()
        wait_until(lambda: any(operator.lines("serving")), 30, "the endpoints being served")
        proxy.wait_applied(held, 30)
        status, text = operator.get("/readyz")
        assert status == 503
        assert "CommunicationChannel.breakwater.dev" in text
        assert operator.get("/healthz")[0] == 200
        proxy.remove(held)
        operator.wait_ready()
        assert operator.get("/readyz")[0] == 200
    finally:
        assert operator.stop() == 0


def test_a_process_that_is_stopped_before_it_is_ready_ends_in_good_order(
    plane: ControlPlane, proxy: FaultProxy
) -> None:
    held = proxy.add(Match(verb="list"), refusal(500))
    operator = OperatorProcess(plane, identity="early", server=proxy.url, ca_file=proxy.ca_file)
    operator.start()
    proxy.wait_applied(held, 30)
    assert operator.stop() == 0
    proxy.clear()


def test_a_process_that_stands_still_does_not_say_that_it_is_healthy(
    plane: ControlPlane, leader: OperatorProcess
) -> None:
    assert leader.get("/healthz")[0] == 200
    leader.signal(signal.SIGSTOP)
    with pytest.raises(OSError, match="timed out"):
        leader.get("/healthz")
    leader.signal(signal.SIGCONT)
    assert leader.get("/healthz")[0] == 200
