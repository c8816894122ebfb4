"""Fields and objects of others: what they add stays, what they keep taking is named and left alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from tests.cluster import second_client as second
from tests.cluster.harness import USER
from tests.cluster.second_client import Manifest, Thing, config_map, encoded
from tests.cluster.suite import Scene, Suite, content, scene
from tests.controlplane import ControlPlane, mutating

FOREIGN = {
    "metadata": {"labels": {"team": "bpm"}, "annotations": {"example.com/owner": "bpm"}},
}
MOST_TAKES = 3
QUIET_SECONDS = 3
OURS = Suite("contested")


@pytest.fixture(scope="module")
def stage() -> Iterator[Scene]:
    with scene(OURS) as made:
        yield made


# --- fields of others -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thing", OURS.made, ids=lambda thing: f"{thing.type_path.rpartition('/')[2]} {thing.name}")
def test_a_field_of_another_manager_stays_through_a_repair_and_a_restart(stage: Scene, thing: Thing) -> None:
    added = FOREIGN | ({"data": {"extra": encoded(b"theirs")}} if "data" in stage.client.get(thing) else {})
    stage.client.patch(thing, added, manager="team")
    wanted = content(stage.client.get(thing))
    stage.client.patch(thing, {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}}, manager="janitor")
    stage.await_that(
        lambda: content(stage.client.get(thing)) == wanted, f"the repair of {thing.name} beside their fields"
    )
    assert _says(stage.client.get(thing), added)


def _says(manifest: Manifest, added: Mapping[str, Any]) -> bool:
    return all(
        _says(manifest[key], value) if isinstance(value, Mapping) else manifest[key] == value
        for key, value in added.items()
    )


# --- a contest --------------------------------------------------------------------------------------------------


class Contest(NamedTuple):
    """A field that another manager sets again whenever it was taken back."""

    thing: Thing
    field: str
    told_by: Thing
    told_in: str = "Ready"

    def change(self, attempt: int) -> Mapping[str, Any]:
        """Another value each time, as deep as the field's path says."""
        top, _, key = self.field.removeprefix(".").partition(".")
        text = f"theirs-{attempt}"
        if top == "metadata":
            return {"metadata": {"labels": {"app.kubernetes.io/managed-by": text}}}
        return {top: {key: text if self.thing.type_path.endswith("configmaps") else encoded(text.encode())}}


LABEL = ".metadata.labels.app.kubernetes.io/managed-by"
CONTESTS = {
    "the trust ConfigMap's bundle": Contest(OURS.trust, ".data.ca.crt", OURS.authority, "TrustPlaced"),
    "the ClusterTrustBundle's label": Contest(OURS.bundle, LABEL, OURS.authority),
    "the root's label": Contest(OURS.root, LABEL, OURS.authority),
    "the server's trust": Contest(OURS.server, ".data.ca.crt", OURS.channel),
    "the login's user name": Contest(OURS.login, ".data.username", OURS.channel),
    "the binding's label": Contest(OURS.binding, LABEL, OURS.channel),
}


@pytest.mark.parametrize("sentence", CONTESTS)
def test_a_field_is_taken_back_three_times_then_contested_by_name_and_left_alone(stage: Scene, sentence: str) -> None:
    contest, thief = CONTESTS[sentence], sentence.replace(" ", "-")
    before = content(stage.client.get(contest.thing))
    for attempt in range(MOST_TAKES):
        stage.client.patch(contest.thing, contest.change(attempt), manager=thief)
        stage.await_that(
            lambda: content(stage.client.get(contest.thing)) == before, f"take {attempt + 1} of {sentence}"
        )
    stage.client.patch(contest.thing, contest.change(MOST_TAKES), manager=thief)
    message = stage.await_condition(contest.told_by, contest.told_in, "False", "Contested")
    assert f'"{thief}"' in message
    assert contest.field in message
    assert any(thief in event["note"] for event in _told(stage, contest))
    _assert_left_alone(stage, contest)
    if contest.thing is OURS.root:
        _give_back(stage, contest, before, thief)
    else:
        stage.client.delete(contest.thing)
    stage.await_ready(OURS)


def _told(stage: Scene, contest: Contest) -> list[Manifest]:
    about = contest.told_by if contest.told_by is OURS.channel or contest.thing is OURS.root else contest.thing
    return stage.events(about, "Contested")


def _assert_left_alone(stage: Scene, contest: Contest) -> None:
    assert isinstance(stage.cluster, ControlPlane)
    theirs, mark = stage.client.get(contest.thing), stage.cluster.audit().mark()
    time.sleep(QUIET_SECONDS)
    assert stage.client.get(contest.thing) == theirs
    written = mutating(stage.cluster.audit().events(mark), USER)
    assert [(event.verb, event.resource, event.name) for event in written] == []


def _give_back(stage: Scene, contest: Contest, before: Manifest, manager: str) -> None:
    """The remedy that the message names: the other manager lets go of the field."""
    stage.client.patch(contest.thing, {"metadata": {"labels": before["metadata"]["labels"]}}, manager=manager)


# --- names that are taken ---------------------------------------------------------------------------------------

NAMES = {
    "the server certificate's Secret": ("server", "channel", "Accepted"),
    "the binding's Secret": ("binding", "channel", "Accepted"),
    "the login's Secret": ("login", "channel", "Accepted"),
    "the root's Secret": ("root", "authority", "Accepted"),
    # A namespace is others' own: what stands in it does not decide on the authority.
    "the trust ConfigMap": ("trust", "authority", "TrustPlaced"),
    "the ClusterTrustBundle": ("bundle", "authority", "Accepted"),
}


@pytest.mark.parametrize("sentence", NAMES)
def test_nothing_is_adopted_by_its_name(stage: Scene, sentence: str) -> None:
    role, teller, told = NAMES[sentence]
    suite = Suite(f"taken-{role}")
    thing, refused = getattr(suite, role), getattr(suite, teller)
    stage.cluster.apply(suite.namespace_manifest)
    foreign = stage.client.create(thing, _foreign(stage, role))
    stage.cluster.apply(suite.manifests)
    message = stage.await_condition(refused, told, "False", "NameTaken")
    assert thing.name in message
    assert stage.condition(refused, "Ready")["status"] == ("False" if told == "Accepted" else "True")
    assert stage.client.get(thing) == foreign
    stage.client.delete(thing)
    stage.await_ready(suite)
    stage.await_that(lambda: stage.client.find(thing), f"{thing.name} being made")
    assert stage.condition(refused, "Accepted")["status"] == "True"
    assert stage.client.get(thing)["metadata"]["uid"] != foreign["metadata"]["uid"]


def _foreign(stage: Scene, role: str) -> Manifest:
    """With our label, without our manager and marks: a label can be put on anything."""
    theirs = {"trust": {"data": {"ca.crt": "theirs"}}, "bundle": {"spec": stage.client.get(OURS.bundle)["spec"]}}
    content_of_secret = {"data": {"password": encoded(b"theirs")}}
    labels = {"app.kubernetes.io/managed-by": "breakwater"}
    return {"metadata": {"labels": labels}} | theirs.get(role, content_of_secret)


def test_a_taken_name_in_one_namespace_delays_no_other(stage: Scene) -> None:
    suite, other = Suite("taken-here"), config_map("taken-not-here", "taken-here-trust")
    stage.cluster.apply(suite.namespace_manifest)
    stage.client.create(suite.trust, {"data": {"ca.crt": "theirs"}})
    stage.client.create(second.namespace(other.namespace), {"metadata": {"labels": {"suite": suite.name}}})
    stage.cluster.apply(suite.manifests)
    stage.await_condition(suite.authority, "TrustPlaced", "False", "NameTaken")
    stage.await_that(lambda: stage.client.find(other), "the trust of the other namespace")
    stage.await_condition(suite.channel, "Ready", "True", "Ready")
    failing = stage.client.get(suite.authority)["status"]["trust"]["failing"]
    assert [(entry["namespace"], entry["reason"]) for entry in failing] == [(suite.name, "NameTaken")]
