from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any, Literal

import pytest

from tests.cluster.harness import OperatorProcess
from tests.cluster.lane import POLL, TIMEOUT, Lane, Lanes, Scenario
from tests.cluster.phases import PHASES
from tests.controlplane import wait_until
from tests.controlplane.proxy_model import WRITES, Request, Stop

pytestmark = pytest.mark.alone

First = Literal["process", "request"]
Jobs = dict[str, Future[list[str]]]

LANES = 3
LEASE = 6
"""Seconds; so long after a leader's last renewal another takes over. With less a busy machine loses leaders."""
STRAGGLERS = 2.0
"""Seconds in which a write may still come after everything is in place."""


@pytest.fixture(scope="module")
def jobs(request: pytest.FixtureRequest) -> Iterator[Jobs]:
    """What the chosen tests are about, under way side by side."""
    functions = [item for item in request.session.items if isinstance(item, pytest.Function)]
    chosen = [item for item in functions if item.module is request.module]
    with Lanes(LANES) as lanes:
        yield {item.name: lanes.submit(_job_of(item)) for item in chosen}


def _job_of(item: pytest.Function) -> Callable[[Lane], list[str]]:
    parameters: dict[str, Any] = item.callspec.params
    return partial(sweep, **parameters)


@pytest.mark.parametrize(
    ("phase", "first"),
    [
        ("issue", "request"),
        ("deletion", "request"),
        ("release", "request"),
        ("renewal", "request"),
        # In a race with the new leader only a write that makes a key could make another one.
        ("issue", "process"),
        ("renewal", "process"),
    ],
)
def test_a_leader_that_was_paused_at_a_write_ends_and_its_late_write_does_no_harm(
    jobs: Jobs, request: pytest.FixtureRequest, phase: str, first: First
) -> None:
    """The paused process goes on before its request while that is under way, or wakes up to the finished deed."""
    paused_at = jobs[request.node.name].result()
    print(f"{phase}, paused at each of {len(paused_at)} writes:", *paused_at, sep="\n  ")
    assert len(paused_at) >= PHASES[phase].least_writes


def sweep(lane: Lane, phase: str, first: First) -> list[str]:
    """Pause the leader at one write after the other, until there is no such write; returns what they were."""
    replicas = [lane.operator(f"{phase}-{first}-{name}", lease_duration=LEASE) for name in "ab"]
    paused_at: list[str] = []
    try:
        replicas[0].start()
        lane.wait_leading(replicas[0])
        pausing = Pausing(lane, replicas, phase, first)
        for number in itertools.count(1):
            request = pausing.at(number)
            if request is None:
                break
            late = next(seen for seen in lane.proxy.log() if seen.serial == request.serial)
            paused_at.append(f"{late.verb} {late.resource} {late.subresource} -> {late.status}")
    finally:
        lane.proxy.clear()
        for replica in replicas:
            replica.stop()
    assert lane.faults() == []
    return paused_at


class Pausing:
    """One phase, each time for another scenario, and what it came to undisturbed."""

    def __init__(self, lane: Lane, replicas: list[OperatorProcess], phase: str, first: First) -> None:
        self._lane, self._first = lane, first
        self._leader, self._standby = replicas
        self._phase = PHASES[phase]
        self._names = (f"{phase}-{first}-{number:03}" for number in itertools.count())
        self._expected, _ = self._phase.undisturbed(lane, self._scenario())

    def at(self, number: int) -> Request | None:
        """Pause the leader at a write until another one leads; None when that write did not come."""
        lane, scenario = self._lane, self._scenario()
        self._standby.start()
        self._phase.prepare(lane, scenario)
        self._standby.wait_ready(TIMEOUT)
        writes = WRITES.model_copy(update={"user_agent": f"breakwater/{self._leader.identity}"})
        rule = lane.proxy.add(writes, Stop(pid=self._leader.pid, first=self._first), nth=number)
        self._phase.start(lane, scenario)
        request = self._held(rule, scenario)
        if request is not None:
            self._take_over(rule, scenario)
            lane.wait_state(scenario, self._expected, f"{scenario.name}, paused at {request.verb} {request.resource}")
        return request

    def _held(self, rule: int, scenario: Scenario) -> Request | None:
        """Wait for the request that is held; None when everything was done without it."""
        lane = self._lane
        is_over = partial(lane.stands, scenario, self._expected)
        wait_until(lambda: self._applied(rule, 0) or is_over(), TIMEOUT, "the pause", POLL)
        return self._applied(rule, STRAGGLERS)

    def _applied(self, rule: int, timeout: float) -> Request | None:
        try:
            return self._lane.proxy.wait_applied(rule, timeout)[0]
        except TimeoutError:
            return None

    def _take_over(self, rule: int, scenario: Scenario) -> None:
        """Where the request goes first its answer finds everything done; else it races with the new leader."""
        lane = self._lane
        lane.wait_leading(self._standby)
        if self._first == "request":
            lane.wait_state(scenario, self._expected, f"{scenario.name} without its paused leader")
        lane.proxy.remove(rule)
        assert self._leader.wait(TIMEOUT) > 0, "a leader that lost its Lease ends with an error of its own"
        self._leader, self._standby = self._standby, self._leader

    def _scenario(self) -> Scenario:
        return Scenario(next(self._names), self._phase.policy)
