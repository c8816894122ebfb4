"""What cannot be made again never is: passwords and roots come back from their copies, or a person is asked."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.cluster.harness import USER
from tests.cluster.second_client import Manifest, SecondClient, Thing, as_backup, secret
from tests.cluster.suite import Scene, Suite, scene
from tests.controlplane import ControlPlane, mutating

KEPT = Suite("kept")
LOST = Suite("lost")
QUIET_SECONDS = 2


@pytest.fixture(scope="module")
def stage() -> Iterator[Scene]:
    with scene(KEPT) as made:
        yield made


# --- passwords --------------------------------------------------------------------------------------------------


def _password(client: SecondClient, thing: Thing) -> bytes:
    return client.data(thing)["password"]


@pytest.mark.parametrize(
    ("gone", "copy"), [(KEPT.login, KEPT.binding), (KEPT.binding, KEPT.login)], ids=["login", "binding"]
)
def test_a_password_comes_back_from_its_other_copy_with_all_status_wiped(
    stage: Scene, gone: Thing, copy: Thing
) -> None:
    password = _password(stage.client, copy)
    with stage.operator_away():
        stage.client.delete(gone)
        stage.wipe_status(KEPT.channel, KEPT.authority)
    stage.await_ready(KEPT)
    assert _password(stage.client, gone) == _password(stage.client, copy) == password


@pytest.mark.parametrize("backup", [KEPT.login, KEPT.binding], ids=["login", "binding"])
def test_a_password_lost_in_both_copies_is_never_made_anew_and_returns_from_a_backup(
    stage: Scene, backup: Thing
) -> None:
    client, saved = stage.client, as_backup(stage.client.get(backup))
    password = _password(client, backup)
    with stage.operator_away():
        client.delete(KEPT.login)
        client.delete(KEPT.binding)
    message = stage.await_condition(KEPT.channel, "Ready", "False", "PasswordLost")
    assert "backup" in message
    assert stage.condition(KEPT.channel, "Stalled")["status"] == "True"
    _assert_nothing_is_made(stage)
    assert client.find(KEPT.login) is None
    assert client.find(KEPT.binding) is None
    client.create(backup, saved)
    stage.await_ready(KEPT)
    assert _password(client, KEPT.login) == _password(client, KEPT.binding) == password
    assert stage.condition(KEPT.channel, "Stalled") == {}


def test_a_lost_password_is_replaced_by_one_that_the_user_brings(stage: Scene) -> None:
    brought = {"username": "app", "password": "set-anew-at-the-server"}
    with stage.operator_away():
        stage.client.delete(KEPT.login)
        stage.client.delete(KEPT.binding)
    message = stage.await_condition(KEPT.channel, "Ready", "False", "PasswordLost")
    assert "spec.authentication.password.secretRef" in message
    stage.client.create(secret(KEPT.name, "brought"), {"stringData": brought})
    change = {"spec": {"authentication": {"password": {"generate": None, "secretRef": {"name": "brought"}}}}}
    stage.client.patch(KEPT.channel, change)
    stage.await_ready(KEPT)
    assert _password(stage.client, KEPT.binding) == brought["password"].encode()


# --- roots ------------------------------------------------------------------------------------------------------


@pytest.fixture
def lost(stage: Scene) -> Iterator[Manifest]:
    """A suite of its own, as a backup of its root; the test makes it lose the root."""
    stage.apply(LOST)
    yield stage.client.get(LOST.root)
    for thing in (LOST.channel, LOST.authority):
        stage.client.delete(thing)
        stage.await_gone(thing)
    for thing in LOST.made:
        if stage.client.find(thing) is not None and thing not in (LOST.trust, LOST.bundle):
            stage.client.delete(thing)
        stage.await_gone(thing)


def _assert_stalled(stage: Scene) -> None:
    message = stage.await_condition(LOST.authority, "Ready", "False", "RootLost")
    assert "Restore the Secret from a backup" in message
    assert LOST.root.name in message
    assert stage.condition(LOST.authority, "Stalled")["status"] == "True"


def _assert_goes_on_with(stage: Scene, root: Manifest) -> None:
    assert stage.client.find(LOST.root) is None
    stage.client.create(LOST.root, as_backup(root))
    stage.await_ready(LOST)
    assert stage.client.get(LOST.root)["data"] == root["data"]
    assert stage.condition(LOST.authority, "Stalled") == {}


def test_a_deleted_root_is_never_made_anew_and_goes_on_from_a_backup(stage: Scene, lost: Manifest) -> None:
    made = {thing: stage.client.get(thing)["data"] for thing in (LOST.server, LOST.binding)}
    stage.client.delete(LOST.root)
    _assert_stalled(stage)
    _assert_nothing_is_made(stage)
    stage.restart()
    _assert_stalled(stage)
    _assert_nothing_is_made(stage)
    _assert_goes_on_with(stage, lost)
    assert {thing: stage.client.get(thing)["data"] for thing in made} == made, "nothing was issued again"


EVIDENCE = {
    "a trust ConfigMap": LOST.trust,
    "a ClusterTrustBundle": LOST.bundle,
    "a server certificate": LOST.server,
    "a client certificate": LOST.binding,
}


@pytest.mark.parametrize("sentence", EVIDENCE)
def test_with_all_status_wiped_one_piece_of_evidence_is_enough(stage: Scene, lost: Manifest, sentence: str) -> None:
    with stage.operator_away():
        stage.wipe_status(LOST.authority, LOST.channel)
        for thing in LOST.made:
            if thing is not EVIDENCE[sentence]:
                stage.client.delete(thing)
    _assert_stalled(stage)
    _assert_nothing_is_made(stage)
    _assert_goes_on_with(stage, lost)


def test_a_damaged_root_is_not_replaced(stage: Scene, lost: Manifest) -> None:
    stage.client.patch(LOST.root, {"data": {"tls.key": stage.client.get(LOST.server)["data"]["tls.key"]}})
    message = stage.await_condition(LOST.authority, "Ready", "False", "RootDamaged")
    assert "Restore it from a backup" in message
    _assert_nothing_is_made(stage)
    stage.client.patch(LOST.root, {"data": lost["data"]})
    stage.await_ready(LOST)


def _assert_nothing_is_made(stage: Scene) -> None:
    assert isinstance(stage.cluster, ControlPlane)
    audit = stage.cluster.audit()
    mark = audit.mark()
    time.sleep(QUIET_SECONDS)
    written = [(event.verb, event.resource, event.name) for event in mutating(audit.events(mark), USER)]
    assert [item for item in written if item[1] in ("secrets", "configmaps", "clustertrustbundles")] == []
