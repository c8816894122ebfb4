"""The phases of a scenario's life, each with what starts it and how to tell that it is finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.cluster.lane import POLL, TIMEOUT, Lane, Scenario, State, all_released
from tests.controlplane import wait_until
from tests.controlplane.proxy_model import Request


def _is_gone(lane: Lane, scenario: Scenario) -> bool:
    return all_released(lane.state(scenario))


@dataclass(frozen=True)
class Phase:
    """One phase.

    Attributes:
        policy: the channel's deletionPolicy.
        least: how many requests the operator cannot do without, so that a sweep that finds fewer has missed some.
        least_writes: how many of them are writes.
        prepare: what comes before.
        start: what a user does to have it happen.
        is_over: whether all of it has happened.
    """

    policy: str
    least: int
    least_writes: int
    prepare: Callable[[Lane, Scenario], None]
    start: Callable[[Lane, Scenario], None]
    is_over: Callable[[Lane, Scenario], bool]

    def undisturbed(self, lane: Lane, scenario: Scenario) -> tuple[State, list[Request]]:
        """How it ends when nobody interferes, and by which requests."""
        self.prepare(lane, scenario)
        lane.proxy.reset()
        self.start(lane, scenario)
        wait_until(lambda: self.is_over(lane, scenario), TIMEOUT, f"the undisturbed {scenario.name}", POLL)
        lane.wait_quiet()
        return lane.state(scenario), lane.requests()


PHASES = {
    # Root, two Secrets for the channel, login, trust; and at least one status of each declaration.
    "issue": Phase("Retain", 7, 7, Lane.make_namespace, Lane.declare, Lane.is_issued),
    "renewal": Phase("Retain", 3, 3, Lane.prepare, Lane.rename, Lane.is_issued),
    # Of each of four Secrets: is its kind served, is its declaration gone, away with it (the root is released).
    "deletion": Phase("Delete", 12, 4, Lane.prepare, Lane.remove, _is_gone),
    "release": Phase("Retain", 12, 4, Lane.prepare, Lane.remove, _is_gone),
}
