from __future__ import annotations

import contextlib
import itertools
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any, Literal, NamedTuple

import pytest

from tests.cluster.harness import OperatorProcess
from tests.cluster.key_history import KeyHistory
from tests.cluster.lane import NUMBERED, POLL, TIMEOUT, Lane, Lanes, Scenario
from tests.cluster.phases import PHASES
from tests.controlplane import wait_until
from tests.controlplane.proxy_model import Kill, Match, Request

pytestmark = pytest.mark.alone

When = Literal["before", "after"]
Jobs = dict[str, Future[Any]]

LANES = 3
STRAGGLERS = 2.0
"""Seconds in which a request may still come after everything is in place."""
LIFETIME, DUE = "1m", 60
"""The shortest lifetime that an authority can grant, and seconds within which it is renewed: after 38 s, normally."""


@pytest.fixture(scope="module")
def jobs(request: pytest.FixtureRequest) -> Iterator[Jobs]:
    """What the chosen tests are about, under way side by side."""
    functions = [item for item in request.session.items if isinstance(item, pytest.Function)]
    chosen = [item for item in functions if item.module is request.module]
    with Lanes(LANES) as lanes:
        yield {item.name: lanes.submit(_job_of(item)) for item in chosen}


def _job_of(item: pytest.Function) -> Callable[[Lane], Any]:
    parameters: dict[str, Any] = item.callspec.params
    return partial(sweep if "phase" in parameters else renew, **parameters)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("phase", ["deletion", "release", "issue", "renewal"])
def test_a_killed_operator_is_continued_whichever_request_it_died_at(
    jobs: Jobs, request: pytest.FixtureRequest, phase: str, when: When
) -> None:
    killed_at = jobs[request.node.name].result()
    print(f"{phase}, killed {when} each of {len(killed_at)} requests:", *killed_at, sep="\n  ")
    assert len(killed_at) >= PHASES[phase].least


@pytest.mark.parametrize("when", ["after"])
def test_a_renewal_that_time_asked_for_is_continued(jobs: Jobs, request: pytest.FixtureRequest, when: When) -> None:
    assert jobs[request.node.name].result() == {"db-tls": ["1", "2"], "db-binding": ["1", "2"]}


TRIES = 3


def sweep(lane: Lane, phase: str, when: When) -> list[str]:
    """Kill the operator at one number after the other, until there is no such number; returns what they were.

    Requests side by side trade their numbers from run to run: what was never hit by its number is hit by its kind.
    """
    killed_at: list[Request] = []
    with leading(lane, f"{phase}-{when}") as operator:
        killing = Killing(lane, operator, phase, when)
        for number in itertools.count(1):
            request = killing.at(NUMBERED, number)
            if request is None:
                break
            killed_at.append(request)
        for kind in killing.kinds - {kind_of(request) for request in killed_at}:
            tries = (killing.at(NUMBERED.model_copy(update=kind._asdict())) for _ in range(TRIES))
            request = next(filter(None, tries), None)
            # A status that no other run needs to write came by timing, as a list does; a key never comes so.
            assert request is not None or kind.subresource == "status", kind
            killed_at += [request] if request else []
    assert lane.faults() == []
    return [" ".join(kind_of(request)).strip() for request in killed_at]


class Killing:
    """One phase, each time for another scenario, and what it came to undisturbed."""

    def __init__(self, lane: Lane, operator: OperatorProcess, phase: str, when: When) -> None:
        self._lane, self._operator, self._when = lane, operator, when
        self._phase = PHASES[phase]
        self._names = (f"{phase}-{when}-{number:03}" for number in itertools.count())
        self._expected, requests = self._phase.undisturbed(lane, self._scenario())
        # A list comes when a watch ends, not because of what the phase does.
        self.kinds = {kind_of(request) for request in requests if request.verb != "list"}

    def at(self, match: Match, number: int = 1) -> Request | None:
        """Kill the operator at one request and have another process go on; None when that request did not come."""
        lane, scenario = self._lane, self._scenario()
        self._phase.prepare(lane, scenario)
        rule = lane.proxy.add(match, Kill(pid=self._operator.pid, when=self._when), nth=number)
        self._phase.start(lane, scenario)
        request = killed(lane, self._operator, rule, partial(lane.stands, scenario, self._expected))
        if request is not None:
            restart(lane, self._operator)
            lane.wait_state(scenario, self._expected, f"{scenario.name}, killed {self._when} {kind_of(request)}")
        return request

    def _scenario(self) -> Scenario:
        return Scenario(next(self._names), self._phase.policy)


class Kind(NamedTuple):
    """What a request does, to whichever object."""

    verb: str
    resource: str
    subresource: str


def kind_of(request: Request) -> Kind:
    """The kind of a request."""
    return Kind(request.verb, request.resource, request.subresource)


def renew(lane: Lane, when: When) -> dict[str, list[str]]:
    """Let certificates grow old and kill the operator as it writes the first new one; returns the generations."""
    scenario = Scenario(f"due-{when}", lifetime=LIFETIME)
    rewriting = Match(user_agent="breakwater/", verb="update", resource="secrets")
    with leading(lane, scenario.name) as operator:
        lane.prepare(scenario)
        rule = lane.proxy.add(rewriting, Kill(pid=operator.pid, when=when))
        assert killed(lane, operator, rule, lambda: False, DUE) is not None
        restart(lane, operator)
        wait_until(lambda: lane.generations(scenario) == {2}, TIMEOUT, "both certificates being renewed", POLL)
        lane.wait_quiet()
    assert lane.faults() == []
    history = KeyHistory(lane.controlplane.audit().events(resource="secrets", namespace=scenario.name))
    return {name: history.generations((scenario.name, name)) for name in ("db-tls", "db-binding")}


@contextlib.contextmanager
def leading(lane: Lane, identity: str) -> Iterator[OperatorProcess]:
    """An operator that leads."""
    operator = lane.operator(identity, lease_duration=15)
    operator.start()
    lane.wait_leading(operator)
    try:
        yield operator
    finally:
        operator.stop()


def killed(
    lane: Lane, operator: OperatorProcess, rule: int, is_over: Callable[[], bool], timeout: float = TIMEOUT
) -> Request | None:
    """Wait for the operator's death and return the request at which it died; None when it finished undisturbed."""
    wait_until(lambda: operator.returncode is not None or is_over(), timeout, "the operator's death", POLL)
    try:
        (request,) = lane.proxy.wait_applied(rule, STRAGGLERS)
    except TimeoutError:
        return None
    finally:
        lane.proxy.remove(rule)
    assert operator.wait() == -signal.SIGKILL
    return request


def restart(lane: Lane, operator: OperatorProcess) -> None:
    """A new process under the dead one's name, as a kubelet would start it."""
    operator.start()
    lane.wait_leading(operator)
