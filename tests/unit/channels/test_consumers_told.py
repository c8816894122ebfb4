"""What a channel says of its consumers: what their demands say, and until they are known what it said before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from breakwater.channels.consumers import MOST_SHOWN
from breakwater.kernel.plan import Plan
from breakwater.kernel.reading import Entry
from breakwater.kernel.references import CERTIFICATE_AUTHORITY, ROTATION_SCHEDULE, Ref
from breakwater.workloads.asking import Asking, Rules
from breakwater.workloads.marking import RESTARTS
from breakwater.workloads.permission import State
from breakwater.workloads.target import TARGET
from breakwater.workloads.workload import Standing
from tests.unit.scenery import CHANNEL_REF, SERVER, SYSTEM, plan, settled
from tests.unit.workloads.rolling import APP, APP_REF, deployment
from tests.unit.worlds import MemoryWorld, condition, message

WAITING = {"kind": "Deployment", "name": "app", "declared": True, "state": "Waiting", "message": "the window is shut"}
REMEMBERED: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "a state that a leader before us found": (WAITING, ("False", "RestartWaiting")),
    "one that needs nothing": (WAITING | {"state": "Current"}, ("True", "Current")),
    "nothing yet": ({"kind": "Deployment", "name": "app", "declared": True}, ("", "")),
    "what somebody else wrote there": (WAITING | {"state": "Elsewhere"}, ("", "")),
    "something that is no state at all": (WAITING | {"state": ["Waiting"]}, ("", "")),
}


@pytest.mark.parametrize("sentence", REMEMBERED)
def test_until_a_demand_is_known_the_condition_follows_what_status_said_before(sentence: str) -> None:
    entry, expected = REMEMBERED[sentence]
    made = settled({"consumers": [{"name": "app"}]})
    made.edit(CHANNEL_REF, lambda manifest: manifest.setdefault("status", {}).update(consumers=[entry]), by="operator")
    done = plan(made)
    assert condition(done, "ConsumersCurrent") == expected
    assert done.status is not None
    (told,) = done.status["consumers"]
    assert told["name"] == "app"


NAMED, PLATFORM = {"rotationScheduleRef": {"name": "nightly"}}, Ref(CERTIFICATE_AUTHORITY, "", "platform")
NEVER = {"windows": [{"cron": "0 2 30 2 *", "duration": "1h"}]}


def scheduled(made: MemoryWorld, namespace: str, name: str, **spec: Any) -> None:
    metadata = {"namespace": namespace, "name": name}
    kind = {"apiVersion": "breakwater.dev/v1alpha1", "kind": "RotationSchedule"}
    made.put({**kind, "metadata": metadata, "spec": spec}, by="somebody")


Loss = Callable[[MemoryWorld], None]
LOSSES: dict[str, tuple[dict[str, Any], dict[str, Any], Loss, str]] = {
    "nothing": ({}, {}, lambda _: None, ""),
    "nothing, of a channel with a schedule": (
        NAMED, {}, lambda made: scheduled(made, "bpm", "nightly"), "",
    ),
    "the schedule that the channel names": (
        NAMED, {}, lambda _: None, "RotationSchedule bpm/nightly does not exist; create it",
    ),
    "the sense of that schedule": (
        NAMED, {}, lambda made: scheduled(made, "bpm", "nightly", **NEVER), "RotationSchedule bpm/nightly is not valid",
    ),
    "the schedule that its authority names": (
        {}, NAMED, lambda _: None, f"RotationSchedule {SYSTEM}/nightly does not exist; create it",
    ),
    "the sense of the default schedule": (
        {}, {}, lambda made: scheduled(made, SYSTEM, "default", **NEVER), f"RotationSchedule {SYSTEM}/default is not",
    ),
    "the definition of schedules": (
        {}, {}, lambda made: made.obscure(ROTATION_SCHEDULE, "NotServed"), f"RotationSchedule {SYSTEM}/default: ",
    ),
    "its authority": (
        {}, {}, lambda made: made.drop(PLATFORM), "CertificateAuthority platform, which may have a schedule",
    ),
    "its authority, of a channel with a schedule": (
        NAMED, {}, lambda made: (scheduled(made, "bpm", "nightly"), made.drop(PLATFORM))[1], "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", LOSSES)
def test_restarts_are_asked_for_with_a_fault_while_their_rules_may_be_stricter_than_those_that_are_read(
    sentence: str,
) -> None:
    channel, authority, lose, fault = LOSSES[sentence]
    made = settled({"consumers": [{"name": "app"}]} | channel, authority)
    lose(made)
    (asking,) = plan(made).mentions.values()
    assert isinstance(asking, Asking)
    assert asking.fault.startswith(fault) if fault else not asking.fault


def test_without_a_key_for_marks_every_consumer_waits_and_what_it_runs_with_is_remembered() -> None:
    made = settled({"consumers": [{"name": "app"}]})
    entry = WAITING | {"state": "Current", "content": {"db-tls": "abc"}, "ordered": "one"}
    made.edit(CHANNEL_REF, lambda manifest: manifest.setdefault("status", {}).update(consumers=[entry]), by="operator")
    made.state(("derived", RESTARTS), {RESTARTS: "Secret restart-marks belongs to somebody; rename it"})
    done = plan(made)
    assert condition(done, "ConsumersCurrent") == ("False", "RestartWaiting")
    assert "rename it" in message(done, "ConsumersCurrent")
    assert done.status is not None
    (told,) = done.status["consumers"]
    assert (told["content"], told["ordered"]) == ({"db-tls": "abc"}, "one")


def test_a_declared_consumer_is_shown_before_any_number_of_strangers() -> None:
    made = settled({"consumers": [{"name": "zebra"}]})
    for number in range(2 * MOST_SHOWN):
        made.put(deployment("db-tls", name=f"app-{number:03}"), by="somebody")
    done = plan(made)
    assert done.status is not None
    names = [entry["name"] for entry in done.status["consumers"]]
    assert (len(names), names[-1]) == (MOST_SHOWN, "zebra")
    assert names == sorted(names)
    assert len(done.mentions) == 2 * MOST_SHOWN + 1


def known(done: Plan) -> dict[str, str]:
    """What a channel says that the pods of its only consumer run with."""
    (asking,) = done.mentions.values()
    assert isinstance(asking, Asking)
    return dict(asking.secrets)


def test_consumers_are_asked_by_what_status_is_about_to_say() -> None:
    made = settled({"consumers": [{"name": "app"}]})
    made.put(deployment("db-tls"), by="somebody")
    entry = WAITING | {"content": {"db-tls": "before"}}
    made.edit(CHANNEL_REF, lambda manifest: manifest.setdefault("status", {}).update(consumers=[entry]), by="operator")
    assert known(plan(made))["db-tls"] == "before"
    target = Entry.of(made.manifest(APP_REF)).project(TARGET)
    standing = Standing(target, State.CURRENT, "", {"db-tls": "now"}, "", "one", "", Rules(), server=True)
    made.state(("derived", APP), standing)
    done = plan(made)
    assert done.status is not None
    assert done.status["consumers"][0]["content"] == {"db-tls": "now"}
    assert known(done)["db-tls"] == "now"


def test_a_certificate_that_cannot_be_written_just_now_is_still_spoken_for() -> None:
    made = settled({"consumers": [{"name": "app"}]})
    before = known(plan(made))
    made.drop(SERVER)
    assert known(plan(made)).keys() == before.keys() >= {"db-tls"}
