"""What a zone says to its Ingresses, and what its status says of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from breakwater.kernel.measurement import Measurement, Result
from breakwater.kernel.plan import Plan
from breakwater.kernel.references import INGRESS, SECURITY_ZONE, Ref, Subject
from breakwater.zones.dialects.dialect import Said, State
from breakwater.zones.ingress import FIELD_MANAGER, ZONES, reduced, route_of
from breakwater.zones.plan import plan
from breakwater.zones.route import Outcome, Standing
from breakwater.zones.wishes import Decided, Feature, Hsts
from tests.unit.worlds import MemoryWorld, condition, message

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ZONE = Subject("SecurityZone", "bpm", "browsers")
REF = Ref(SECURITY_ZONE, "bpm", "browsers")
ROUTE = route_of("bpm", "suite")
NAME = "HSTS:suite"
HSTS = {"enabled": True, "maxAge": 600}


def ingress(name: str = "suite", *, ours: bool = False, **spec: Any) -> dict[str, Any]:
    stands = {"nginx.org/hsts": "true", ZONES: "HSTS=browsers@2026-06-01T00:00:00Z"}
    fields = {"f:metadata": {"f:annotations": {f"f:{key}": {} for key in stands}}}
    managed = [{"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields}] if ours else []
    metadata = {"name": name, "namespace": "bpm", "uid": name, "managedFields": managed}
    metadata |= {"annotations": stands} if ours else {}
    rules = [{"host": "suite.example.com", "http": {"paths": [{"path": "/app"}]}}]
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}
    whole = {"metadata": metadata, "spec": {"rules": rules} | spec, "status": status}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", **reduced(whole)}


def world(*ingresses: dict[str, Any], **spec: Any) -> MemoryWorld:
    declared = {"mode": "Enforce", "ingressSelector": {}, "hsts": HSTS} | spec
    metadata = {"name": "browsers", "namespace": "bpm"}
    zone = {"apiVersion": "breakwater.dev/v1alpha1", "kind": "SecurityZone", "metadata": metadata, "spec": declared}
    made = MemoryWorld(zone, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bpm"}})
    for item in ingresses:
        made.put(item, by="user")
    return made


def decided(made: MemoryWorld, said: Said, *, zone: str = "browsers", max_age: int = 600, done: bool = True) -> None:
    """What the Route of the Ingress has published."""
    setting = Hsts(max_age, steps=(600,))
    outcome = Outcome(said, Decided(setting, zone) if done else None)
    made.state(("derived", ROUTE), Standing("Traefik", outcomes={Feature.HSTS: outcome}))


def measured(made: MemoryWorld, result: Result) -> None:
    """What live answers showed a moment ago."""
    (measure,) = made.plan(ZONE, plan, NOW).measures
    item = Measurement(NAME, measure.digest, NOW, NOW + timedelta(hours=1), result, "Seen", "as it was seen")
    made.state(("measured", ZONE, NAME), item)


def state(done: Plan) -> tuple[str, str]:
    assert done.status is not None
    (feature,) = done.status["features"]
    return feature["state"], feature.get("detail", "")


def test_until_its_routes_have_heard_it_a_zone_says_nothing_but_speaks_to_them() -> None:
    done = world(ingress()).plan(ZONE, plan, NOW)
    assert done.status is None
    assert list(done.mentions) == [ROUTE]


WRITTEN = Said(State.CONFIGURED)
PRESUMED = Said(State.PARTIAL, "x", presumed=True)
JUDGED: dict[str, tuple[Said, Result | None, str, tuple[str, str]]] = {
    "written, and not measured yet": (WRITTEN, None, "Configured", ("True", "Ready")),
    "written, and nobody can tell": (WRITTEN, Result.UNKNOWN, "Configured", ("True", "Ready")),
    "written, and seen": (WRITTEN, Result.HOLDS, "Enforced", ("True", "Ready")),
    "written, and not seen": (WRITTEN, Result.FAILS, "Failing", ("True", "Ready")),
    "a lack of the engine": (Said(State.PARTIAL, "x"), Result.HOLDS, "Partial", ("True", "Ready")),
    "https that is not declared, and nobody can tell": (PRESUMED, Result.UNKNOWN, "Partial", ("True", "Ready")),
    "https that is not declared, and seen all the same": (PRESUMED, Result.HOLDS, "Enforced", ("True", "Ready")),
    "on its way": (Said(State.PARTIAL, "x", pending=True), Result.FAILS, "Partial", ("False", "Partial")),
    "an engine that cannot": (Said(State.UNSUPPORTED, "x"), Result.FAILS, "Unsupported", ("False", "Unsupported")),
    "a refused write": (Said(State.FAILING, "x"), Result.HOLDS, "Failing", ("False", "Failing")),
}


@pytest.mark.parametrize("sentence", JUDGED)
def test_a_feature_is_what_was_written_and_what_live_answers_say(sentence: str) -> None:
    said, result, expected, ready = JUDGED[sentence]
    made = world(ingress())
    decided(made, said)
    if result is not None:
        measured(made, result)
    done = made.plan(ZONE, plan, NOW)
    assert state(done)[0] == expected
    assert condition(done, "Ready") == ready


def test_an_older_zone_that_wants_the_same_is_no_conflict_and_one_that_does_not_is_named() -> None:
    made = world(ingress())
    decided(made, WRITTEN, zone="older")
    assert state(made.plan(ZONE, plan, NOW))[0] == "Configured"
    decided(made, WRITTEN, zone="older", max_age=9)
    found, detail = state(made.plan(ZONE, plan, NOW))
    assert (found, "SecurityZone older" in detail) == ("Failing", True)


@pytest.mark.parametrize(
    ("result", "expected"), [(None, "Partial"), (Result.FAILS, "Failing"), (Result.HOLDS, "Enforced")]
)
def test_who_observes_says_what_would_be_done_unless_it_is_so_already(result: Result | None, expected: str) -> None:
    made = world(ingress(), mode="Observe")
    decided(made, WRITTEN, done=False)
    if result is not None:
        measured(made, result)
    done = made.plan(ZONE, plan, NOW)
    assert state(done)[0] == expected
    assert condition(done, "Ready") == (("True", "Ready") if result is Result.HOLDS else ("False", "Observed"))
    if result is not Result.HOLDS:
        assert "Strict-Transport-Security: max-age=600" in message(done, "Ready")


SILENT: dict[str, tuple[dict[str, Any], str]] = {
    "it has no rules": ({"rules": []}, "no rules"),
    "its host is no name that can be asked for": (
        {"rules": [{"host": f"{'x' * 64}.example.com"}]}, "shorten their labels",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", SILENT)
def test_an_ingress_that_cannot_be_asked_is_not_measured_and_says_why(sentence: str) -> None:
    spec, words = SILENT[sentence]
    made = world(ingress(**spec))
    decided(made, WRITTEN)
    done = made.plan(ZONE, plan, NOW)
    assert done.measures == ()
    assert words in state(done)[1]


def test_a_default_backend_is_asked_by_the_address_alone() -> None:
    made = world(ingress(rules=[], defaultBackend={"service": {"name": "suite"}}))
    decided(made, WRITTEN)
    (measure,) = made.plan(ZONE, plan, NOW).measures
    assert [(place.host, place.path) for place in measure.probe.places] == [("", "/")]


def test_a_wildcard_is_asked_by_some_name_below_it() -> None:
    made = world(ingress(rules=[{"host": "*.example.com"}]))
    decided(made, WRITTEN)
    (measure,) = made.plan(ZONE, plan, NOW).measures
    assert [place.host for place in measure.probe.places] == ["breakwater-probe.example.com"]


def test_no_ingress_is_told() -> None:
    done = world().plan(ZONE, plan, NOW)
    assert condition(done, "Ready") == ("False", "NoIngress")
    assert "spec.ingressSelector" in message(done, "Ready")


def test_a_zone_that_cannot_be_read_leaves_what_stands_everywhere() -> None:
    made = world(*(ingress(f"suite-{number}", ours=True) for number in range(40)), ingress("other"))
    made.edit(REF, lambda found: found["spec"].update(hsts={"enabled": "perhaps"}), by="user")
    done = made.plan(ZONE, plan, NOW)
    assert condition(done, "Accepted") == ("False", "InvalidSpec")
    assert len(done.mentions) == 40
    assert not any(wish.enforced for wish in done.mentions.values())


PAUSED: dict[str, dict[str, Any]] = {
    "suspended, and a feature disabled": {"suspend": True, "hsts": {"enabled": False}},
    "suspended, and its selection narrowed": {"suspend": True, "ingressSelector": {"matchLabels": {"a": "b"}}},
    "only observing, and both": {
        "mode": "Observe", "hsts": {"enabled": False}, "ingressSelector": {"matchLabels": {"a": "b"}},
    },
}  # fmt: skip


@pytest.mark.parametrize("sentence", PAUSED)
def test_a_paused_zone_still_speaks_for_what_stands_and_says_that_it_waits(sentence: str) -> None:
    made = world(ingress(ours=True), ingress("other"), **PAUSED[sentence])
    made.state(("derived", ROUTE), Standing("F5 NGINX"))
    made.state(("derived", route_of("bpm", "other")), Standing("F5 NGINX"))
    done = made.plan(ZONE, plan, NOW)
    assert (done.mentions[ROUTE].enforced, done.mentions[ROUTE].settings) == (False, {})
    assert "suite: take away HSTS" in message(done, "Ready")


def test_an_active_zone_does_not_speak_for_what_it_does_not_select() -> None:
    made = world(ingress(ours=True), ingressSelector={"matchLabels": {"a": "b"}})
    assert made.plan(ZONE, plan, NOW).mentions == {}


def test_a_suspended_zone_leaves_what_stands_and_says_what_waits() -> None:
    made = world(ingress(), suspend=True)
    decided(made, WRITTEN, done=False)
    done = made.plan(ZONE, plan, NOW)
    assert condition(done, "Ready") == ("False", "Suspended")
    assert [wish.enforced for wish in done.mentions.values()] == [False]
    assert INGRESS not in {action.target.resource for action in done.actions}
