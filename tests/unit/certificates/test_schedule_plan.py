"""What a RotationSchedule says of itself, and which schedule a certificate follows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from breakwater.certificates import plan as authorities
from breakwater.certificates import schedule
from breakwater.channels import plan as channels
from breakwater.kernel.references import (
    COMMUNICATION_CHANNEL,
    ROTATION_SCHEDULE,
    Ref,
    Subject,
)
from tests.unit.scenery import (
    AUTHORITY,
    CHANNEL,
    CHANNEL_REF,
    CLIENT,
    DAY,
    NOW,
    SERVER,
    SYSTEM,
    channel_manifest,
    plan,
    settle,
    settled,
    world,
)
from tests.unit.worlds import MemoryWorld, condition, message, namespace_manifest

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
OWN = {"rotationScheduleRef": {"name": "nightly"}}
NIGHTLY = Subject("RotationSchedule", "bpm", "nightly")
ATLANTIS: dict[str, Any] = {"windows": [{"cron": "0 2 * * *", "timeZone": "Europe/Atlantis", "duration": "4h"}]}


def schedule_manifest(name: str = "nightly", namespace: str = "bpm", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "breakwater.dev/v1alpha1",
        "kind": "RotationSchedule",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def by_age(percentage: int) -> dict[str, Any]:
    return {"renewal": {"percentage": percentage}, "jitter": 0}


def scheduled(*manifests: dict[str, Any], channel: dict[str, Any] | None = None, **authority: Any) -> MemoryWorld:
    """A suite with everything made, among schedules."""
    made = world(channel, authority)
    for manifest in manifests:
        made.put(manifest, by="somebody")
    settle(made)
    return made


def reported(made: MemoryWorld, subject: Subject = NIGHTLY, now: datetime = NOW) -> dict[str, Any]:
    """The status of a schedule, after its plan."""
    made.settle(subject, schedule.plan, now)
    status: dict[str, Any] = made.manifest(Ref(ROTATION_SCHEDULE, subject.namespace, subject.name))["status"]
    return status


# --- the plan of a schedule -----------------------------------------------------------------------------------------


def test_it_lists_the_certificates_that_follow_it() -> None:
    made = scheduled(schedule_manifest(**by_age(50)), channel=OWN | {"authentication": CLIENT})
    status = reported(made)
    shown = made.manifest(CHANNEL_REF)["status"]["certificates"]
    assert status["certificates"] == 2
    assert {item["use"]: item for item in status["upcoming"]} == {
        item["use"]: {
            "namespace": "bpm",
            "name": "db",
            "use": item["use"],
            "secretName": item["secretName"],
            "renewAt": item["renewAt"],
        }
        for item in shown
    }
    assert status["nextRenewal"] == min(item["renewAt"] for item in shown) == "2026-07-16T12:00:00Z"
    assert [(item["type"], item["status"], item["reason"]) for item in status["conditions"]] == [
        ("Accepted", "True", "Accepted"),
        ("Ready", "True", "Ready"),
    ]


def test_nobody_follows_it_and_it_is_ready_all_the_same() -> None:
    made = scheduled(schedule_manifest(), channel={"rotationScheduleRef": {"name": "other"}})
    status = reported(made)
    assert status["certificates"] == 0
    assert not {"upcoming", "nextRenewal"} & status.keys()
    assert condition(made.plan(NIGHTLY, schedule.plan, NOW), "Ready") == ("True", "Ready")


def test_a_mistake_that_only_a_calendar_can_tell_is_named_with_its_remedy() -> None:
    made = scheduled(schedule_manifest(**ATLANTIS), channel=OWN)
    found = made.plan(NIGHTLY, schedule.plan, NOW)
    for type_ in ("Accepted", "Ready"):
        assert condition(found, type_) == ("False", "InvalidSpec")
        assert message(found, type_) == "spec.windows[0]: there is no time zone Europe/Atlantis; mend it"
    assert found.actions == ()


def test_a_second_plan_a_minute_later_changes_nothing() -> None:
    made = scheduled(schedule_manifest(), channel=OWN)
    first = reported(made)
    assert reported(made, now=NOW + MINUTE) == first
    assert made.plan(NIGHTLY, schedule.plan, NOW + MINUTE).actions == ()


def test_a_schedule_that_is_gone_has_nothing_to_say() -> None:
    assert scheduled().plan(NIGHTLY, schedule.plan, NOW).status is None


def certificate(number: int, **fields: Any) -> dict[str, Any]:
    """An entry of some channel's status, the higher its number the sooner due."""
    at = (NOW + (100 - number) * DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"use": "Server", "secretName": f"tls-{number}", "renewAt": at, "schedule": "bpm/nightly"} | fields


def channels_with(made: MemoryWorld, *certificates: Any) -> None:
    for number, entry in enumerate(certificates):
        manifest = channel_manifest() | {"status": {"certificates": [entry]}}
        manifest["metadata"] = {"name": f"c{number:02}", "namespace": "bpm"}
        made.put(manifest, by="somebody")


def test_the_next_sixteen_are_shown_earliest_first_and_all_are_counted() -> None:
    made = MemoryWorld(namespace_manifest("bpm"), schedule_manifest())
    channels_with(made, *(certificate(number) for number in range(20)))
    status = reported(made)
    assert status["certificates"] == 20
    assert [item["secretName"] for item in status["upcoming"]] == [f"tls-{number}" for number in range(19, 3, -1)]
    assert status["nextRenewal"] == status["upcoming"][0]["renewAt"] == certificate(19)["renewAt"]


FOLLOWERS: dict[str, tuple[Any, int]] = {
    "it follows this one": (certificate(1), 1),
    "another of the same name": (certificate(1, schedule="other/nightly"), 0),
    "none": (certificate(1, schedule=""), 0),
    "it is not renewed": (certificate(1, renewAt=None), 0),
    "a time that is none": (certificate(1, renewAt="soon"), 0),
    "a time beyond all years": (certificate(1, renewAt="0001-01-01T00:00:00+14:00"), 0),
    "no entry at all": ("nonsense", 0),
}


@pytest.mark.parametrize("sentence", FOLLOWERS)
def test_who_counts_as_a_follower(sentence: str) -> None:
    entry, count = FOLLOWERS[sentence]
    made = MemoryWorld(namespace_manifest("bpm"), schedule_manifest())
    channels_with(made, entry)
    assert reported(made)["certificates"] == count


def test_certificates_that_live_too_short_for_it_are_named_with_a_remedy() -> None:
    yearly: dict[str, Any] = {"windows": [{"cron": "0 2 1 1 *", "duration": "4h"}], "jitter": 0}
    made = scheduled(schedule_manifest(**yearly), channel=OWN)
    status = reported(made)
    assert [item["outsideWindows"] for item in status["upcoming"]] == [True]
    found = made.plan(NIGHTLY, schedule.plan, NOW)
    assert condition(found, "Ready") == ("True", "TooRare")
    assert "1 certificates live too short for it" in message(found, "Ready")
    assert ": bpm/db; widen spec.windows, or lengthen their lifetime" in message(found, "Ready")
    (shown,) = made.manifest(CHANNEL_REF)["status"]["certificates"]
    assert shown["note"] == "no window opens in time before the certificate ends"
    assert shown["renewAt"] == "2026-07-31T19:12:00Z", "in time all the same"


# --- which schedule a certificate follows ---------------------------------------------------------------------------

ARRANGEMENTS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any], int, str]] = {
    "none: two thirds": ([], {}, {}, 67, ""),
    "the channel's own": ([schedule_manifest(**by_age(20))], OWN, {}, 20, "bpm/nightly"),
    "the channel's own wins over its authority's": (
        [schedule_manifest(**by_age(20))], OWN, {"renewal": by_age(30)}, 20, "bpm/nightly",
    ),
    "of its own namespace only": ([schedule_manifest(namespace=SYSTEM, **by_age(20))], OWN, {}, 67, ""),
    "the authority's, inline": ([], {}, {"renewal": by_age(30)}, 30, ""),
    "inline wins over the default": (
        [schedule_manifest("default", SYSTEM, **by_age(50))], {}, {"renewal": by_age(30)}, 30, "",
    ),
    "the authority's, by reference": (
        [schedule_manifest("yearly", SYSTEM, **by_age(40))], {}, {"rotationScheduleRef": {"name": "yearly"}}, 40,
        f"{SYSTEM}/yearly",
    ),
    "an authority names one of the operator's namespace only": (
        [schedule_manifest("yearly", "bpm", **by_age(40))], {}, {"rotationScheduleRef": {"name": "yearly"}}, 67, "",
    ),
    "the default": ([schedule_manifest("default", SYSTEM, **by_age(50))], {}, {}, 50, f"{SYSTEM}/default"),
    "a default of the channel's namespace is none": ([schedule_manifest("default", **by_age(50))], {}, {}, 67, ""),
    "its own is missing: not the default": ([schedule_manifest("default", SYSTEM, **by_age(50))], OWN, {}, 67, ""),
    "its own is not valid": ([schedule_manifest(**ATLANTIS)], OWN, {"renewal": by_age(30)}, 67, ""),
    "the default is not valid": ([schedule_manifest("default", SYSTEM, **ATLANTIS)], {}, {}, 67, ""),
}  # fmt: skip


@pytest.mark.parametrize("sentence", ARRANGEMENTS)
def test_which_schedule_a_certificate_follows(sentence: str) -> None:
    schedules, channel, authority, percentage, named = ARRANGEMENTS[sentence]
    made = scheduled(*schedules, channel=channel, **authority)
    (shown,) = made.manifest(CHANNEL_REF)["status"]["certificates"]
    assert shown.get("schedule", "") == named
    due = datetime.fromisoformat(shown["renewAt"])
    most, least = (NOW + 0.9 * percentage * DAY, NOW + 0.81 * percentage * DAY)
    assert (least if percentage == 67 else most) <= due <= most + MINUTE
    # Status shows whole seconds.
    assert [action.reason for action in plan(made, due + SECOND).actions] == ["RenewalDue"]
    assert plan(made, due - SECOND).actions == ()


Arrange = Callable[[MemoryWorld, str], None]


def _nothing(_: MemoryWorld, __: str) -> None:
    pass


def _there(**spec: Any) -> Arrange:
    def arrange(made: MemoryWorld, namespace: str) -> None:
        made.put(schedule_manifest(namespace=namespace, **spec), by="somebody")

    return arrange


def _obscured(reason: str) -> Arrange:
    return lambda made, _: made.obscure(ROTATION_SCHEDULE, reason)


MISSING: dict[str, tuple[Arrange, tuple[str, str], str]] = {
    "it is there": (_there(), ("True", "Ready"), ""),
    "it does not exist": (
        _nothing, ("False", "ScheduleNotFound"),
        "RotationSchedule bpm/nightly does not exist; create it or name another",
    ),
    "it is not valid": (
        _there(**ATLANTIS), ("False", "ScheduleNotFound"),
        "RotationSchedule bpm/nightly is not valid: spec.windows[0]: there is no time zone Europe/Atlantis; mend it",
    ),
    "its kind is not served": (
        _obscured("NotServed"), ("False", "ScheduleNotFound"), "RotationSchedule bpm/nightly: ",
    ),
    "its kind may not be read": (
        _obscured("Forbidden"), ("False", "ScheduleNotFound"), "RotationSchedule bpm/nightly: ",
    ),
    "its kind is not synced yet": (_obscured("NotSynced"), ("True", "Ready"), ""),
}  # fmt: skip


@pytest.mark.parametrize("sentence", MISSING)
def test_a_schedule_that_cannot_be_followed_is_told_and_the_channel_is_served(sentence: str) -> None:
    arrange, ready, words = MISSING[sentence]
    made = world(OWN)
    arrange(made, "bpm")
    settle(made)
    found = plan(made)
    assert condition(found, "Accepted") == ("True", "Accepted")
    assert condition(found, "Ready") == ready
    if words:
        said = message(found, "Ready")
        assert f"spec.rotationScheduleRef: {words}" in said
        assert said.endswith("until then certificates are renewed at two thirds of their life")
    assert made.data(SERVER)["tls.crt"], "issued, whatever the schedule"


@pytest.mark.parametrize("sentence", MISSING)
def test_an_authority_tells_of_a_schedule_that_it_cannot_follow(sentence: str) -> None:
    arrange, ready, words = MISSING[sentence]
    made = world(authority={"rotationScheduleRef": {"name": "nightly"}})
    arrange(made, SYSTEM)
    found = made.plan(AUTHORITY, authorities.plan, NOW)
    assert condition(found, "Accepted") == ("True", "Accepted")
    assert condition(found, "Ready") == ready
    if words:
        assert f"spec.rotationScheduleRef: {words.replace('bpm/', f'{SYSTEM}/')}" in message(found, "Ready")


AGE, DAMAGE = "RenewalDue", "KeyPairBroken"
UNKNOWNS: dict[str, tuple[str, str | None, str]] = {
    "not synced: it may say anything": ("NotSynced", None, DAMAGE),
    "not served: that lasts, and certificates must not end over it": ("NotServed", AGE, DAMAGE),
    "forbidden: that lasts too": ("Forbidden", AGE, DAMAGE),
}


@pytest.mark.parametrize("sentence", UNKNOWNS)
def test_what_is_renewed_while_nobody_can_tell_the_schedule(sentence: str) -> None:
    reason, for_age, for_damage = UNKNOWNS[sentence]
    made = settled()
    made.obscure(ROTATION_SCHEDULE, reason)
    late = NOW + 89 * DAY
    assert [action.reason for action in plan(made, late).actions] == ([for_age] if for_age else [])
    made.edit(SERVER, lambda manifest: manifest["data"].pop("tls.key"), by="somebody")
    assert [action.reason for action in plan(made, late).actions] == [for_damage]


def test_a_channel_is_planned_again_when_its_certificate_is_due() -> None:
    made = scheduled(schedule_manifest(**by_age(50)), channel=OWN)
    due = plan(made).due
    assert due is not None
    assert abs(due - (NOW + 45 * DAY)) < MINUTE


def test_a_schedule_moves_the_renewal_without_touching_the_certificate() -> None:
    made = scheduled(schedule_manifest(**by_age(50)), channel=OWN)
    before = made.data(SERVER)
    made.put(schedule_manifest(**by_age(90)), by="somebody")
    settle(made, NOW + 46 * DAY)
    assert made.data(SERVER) == before
    made.put(schedule_manifest(**by_age(50)), by="somebody")
    settle(made, NOW + 46 * DAY)
    assert made.data(SERVER)["tls.crt"] != before["tls.crt"]


def test_one_channel_has_each_of_its_certificates_renewed_at_its_own_place() -> None:
    made = scheduled(schedule_manifest(jitter=50), channel=OWN | {"authentication": CLIENT})
    moments = {item["renewAt"] for item in made.manifest(CHANNEL_REF)["status"]["certificates"]}
    assert len(moments) == 2
    assert made.plan(CHANNEL, channels.plan, NOW).actions == ()
    assert made.refs(COMMUNICATION_CHANNEL) == [CHANNEL_REF]
