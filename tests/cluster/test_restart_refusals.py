"""A restart whose order the API server refuses, or does not answer: told with its remedy, tried again, never twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.cluster.harness import USER, OperatorProcess, conditions
from tests.cluster.ledger import namespace
from tests.cluster.rolling import (
    QUICK,
    apply_and_settle,
    await_current,
    consumer,
    flow,
    is_rolled,
    renew,
    restarts_ordered,
    running_pods,
    said,
    schedule,
    short_lived,
    states,
)
from tests.controlplane import ControlPlane, wait_until
from tests.controlplane.proxy_client import FaultProxy
from tests.controlplane.proxy_model import Action, Cut, Match, Reset, Silence, Truncate, refusal

FORBIDDEN = 'deployments.apps "app" is forbidden: User "breakwater" cannot patch resource "deployments"'


@dataclass(frozen=True)
class Refusal:
    """What befalls the order, and words of what status must say meanwhile; empty where nobody needs to know."""

    action: Action
    told: tuple[str, ...]


REFUSALS: Mapping[str, Refusal] = {
    "forbidden": Refusal(
        refusal(403, FORBIDDEN), ("Deployment forbidden/app", "may not write this", "grant its service account")
    ),
    "policed": Refusal(
        refusal(403, 'ValidatingAdmissionPolicy "freeze" denied request: nothing rolls today'),
        ("Deployment policed/app", "nothing rolls today", "adapt that policy"),
    ),
    "hooked": Refusal(
        refusal(422, 'admission webhook "freeze.example.com" denied the request: no'),
        ("freeze.example.com", "adapt that policy"),
    ),
    "crowded": Refusal(refusal(429, retry_after=1), ("Deployment crowded/app", "asked to wait")),
    "broken": Refusal(refusal(500), ("Deployment broken/app", "answered 500; trying again")),
    "late": Refusal(refusal(504), ("Deployment late/app", "answered 504; trying again")),
    "cut-off": Refusal(Reset(), ("Deployment cut-off/app", "did not answer; trying again")),
    "changed": Refusal(refusal(409), ()),
}


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with running_pods() as made:
        made.apply([short_lived("2160h"), schedule(**QUICK)])
        yield made


@pytest.fixture(scope="module")
def operator(plane: ControlPlane, proxy: FaultProxy) -> Iterator[OperatorProcess]:
    arguments = ("--max-restarts=10",)
    with OperatorProcess(plane, server=proxy.url, ca_file=proxy.ca_file, arguments=arguments) as running:
        running.wait_leading()
        yield running


def prepare(plane: ControlPlane, *spaces: str) -> None:
    """In each namespace a consumer that runs with what it should."""
    for space in spaces:
        namespace(plane, space)
    plane.apply([flow(space, "a", "app") for space in spaces])
    apply_and_settle(plane, *(consumer(space, "app", "a-tls", replicas=2) for space in spaces))
    for space in spaces:
        await_current(plane, space, "a")


def orders(proxy: FaultProxy, space: str) -> Match:
    """Orders to restart what is in a namespace."""
    return Match(verb="patch", resource="deployments", namespace=space)


@pytest.fixture(scope="module")
def refused(plane: ControlPlane, proxy: FaultProxy, operator: OperatorProcess) -> dict[str, int]:
    """All of them refused side by side; the proxy's rule for each."""
    prepare(plane, *REFUSALS)
    rules = {space: proxy.add(orders(proxy, space), refused.action) for space, refused in REFUSALS.items()}
    for space in REFUSALS:
        renew(plane, space, "a")
    return rules


@pytest.fixture(scope="module")
def lifted(proxy: FaultProxy, refused: dict[str, int]) -> None:
    """All of them are allowed again; what failed for long is tried again within a minute."""
    for rule in refused.values():
        proxy.remove(rule)


@pytest.mark.parametrize("space", REFUSALS)
def test_a_refused_restart_is_tried_again_and_told_with_its_remedy(
    plane: ControlPlane, proxy: FaultProxy, refused: dict[str, int], space: str
) -> None:
    told, order = REFUSALS[space].told, orders(proxy, space)
    wait_until(lambda: len([each for each in proxy.log() if order.accepts(each)]) >= 2, 90, "another try")
    wait_until(lambda: all(words in said(plane, space, "a") for words in told), 20, f"{space} telling {told}")
    found = conditions(plane.get("chan", "a", "-n", space))
    assert (found["ConsumersCurrent"]["status"], found["ConsumersCurrent"]["reason"]) == ("False", "RestartWaiting")
    assert found["Ready"]["status"] == "True"
    assert restarts_ordered(plane, space) == 0


@pytest.mark.parametrize("space", REFUSALS)
def test_a_refused_restart_is_ordered_once_when_that_ends(plane: ControlPlane, lifted: None, space: str) -> None:
    await_current(plane, space, "a")
    assert restarts_ordered(plane, space) == 1


def test_refused_restarts_hold_nobody_elses(plane: ControlPlane, proxy: FaultProxy, operator: OperatorProcess) -> None:
    space, hopeless = namespace(plane, "beside"), ("a-app", "b-app")
    plane.apply([flow(space, name, f"{name}-app") for name in "abz"])
    apply_and_settle(plane, *(consumer(space, f"{name}-app", f"{name}-tls", replicas=2) for name in "abz"))
    await_current(plane, space, *"abz")
    refused = orders(proxy, space).model_copy(update={"name": hopeless})
    rule = proxy.add(refused, refusal(403, FORBIDDEN))
    for name in "ab":
        renew(plane, space, name)
    wait_until(lambda: all("may not write" in said(plane, space, name) for name in "ab"), 60, "all being refused")
    renew(plane, space, "z")
    wait_until(lambda: restarts_ordered(plane, space, "z-app") == 1, 60, "the one beside them being restarted")
    await_current(plane, space, "z")
    assert [restarts_ordered(plane, space, name) for name in hopeless] == [0, 0]
    proxy.remove(rule)


def test_a_field_that_somebody_else_holds_is_named_with_its_holder_and_not_forced(
    plane: ControlPlane, operator: OperatorProcess
) -> None:
    space = "held"
    prepare(plane, space)
    theirs = ("--field-manager=team", "--server-side", "-f", "-")
    held = consumer(space, "app", "a-tls", replicas=2)
    held["spec"]["template"]["metadata"]["annotations"] = {"breakwater.dev/restarted-at": "theirs"}
    plane.kubectl("apply", *theirs, "--force-conflicts", input=json.dumps(held))
    wait_until(lambda: is_rolled(plane.get("deployment", "app", "-n", space)), 30, "their own rollout")
    renew(plane, space, "a")
    wait_until(lambda: 'is set by "team"; remove it there' in said(plane, space, "a"), 40, "the holder being named")
    assert "breakwater.dev/restarted-at" in said(plane, space, "a")
    assert states(plane, space, "a") == ["Due"]
    assert restarts_ordered(plane, space) == 0
    plane.kubectl("apply", *theirs, input=json.dumps(consumer(space, "app", "a-tls", replicas=2)))
    await_current(plane, space, "a")
    assert restarts_ordered(plane, space) == 1


def test_an_order_whose_answer_was_lost_behind_a_silent_watch_is_not_given_twice(
    plane: ControlPlane, proxy: FaultProxy, operator: OperatorProcess
) -> None:
    space = "lost"
    prepare(plane, space)
    watch = Match(verb="watch", resource="deployments")
    proxy.add(watch, Silence(), scope="live")
    cut = proxy.add(orders(proxy, space), Truncate(after=20), scope="new")
    mark = plane.audit().mark()
    renew(plane, space, "a")
    proxy.wait_applied(cut, 40)
    proxy.remove(cut)
    codes = lambda: [  # noqa: E731
        event.code
        for event in plane.audit().events(mark, user=USER)
        if (event.resource, event.verb, event.namespace) == ("deployments", "patch", space)
    ]
    wait_until(lambda: len(codes()) >= 2, 30, "another try on what was known before")
    proxy.add(watch, Cut(), scope="live")
    await_current(plane, space, "a")
    assert codes()[0] == 200
    assert set(codes()[1:]) == {409}
    assert restarts_ordered(plane, space) == 1
