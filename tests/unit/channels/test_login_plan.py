from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from breakwater.kernel.references import Ref
from tests.unit.scenery import BINDING, CHANNEL_REF, GENERATED, LOGIN, plan, settle, settled, world
from tests.unit.worlds import MemoryWorld, condition, encoded, message, secret_manifest

Damage = Callable[[MemoryWorld], None]


def _set(key: str, value: bytes | None) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        if value is None:
            del manifest["data"][key]
        else:
            manifest["data"][key] = encoded(value)

    return change


def _wipe_status(made: MemoryWorld) -> None:
    made.edit(CHANNEL_REF, lambda manifest: manifest.pop("status"), by="restore")


def _restored(ref: Ref) -> Damage:
    """Deleted and put back from a backup by a person."""

    def restore(made: MemoryWorld) -> None:
        kept = made.manifest(ref)
        made.drop(ref)
        metadata = {key: kept["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
        made.put({**kept, "metadata": metadata}, by="kubectl")

    return restore


def _edited(ref: Ref, key: str, value: bytes | None) -> Damage:
    return lambda made: made.edit(ref, _set(key, value), by="user")


def _deleted(ref: Ref) -> Damage:
    return lambda made: made.drop(ref)


REPAIRED: dict[str, tuple[Damage, ...]] = {
    "nothing happened": (),
    "the login was deleted": (_deleted(LOGIN),),
    "the binding was deleted": (_deleted(BINDING),),
    "the login's password was changed": (_edited(LOGIN, "password", b"x"),),
    "the login's password was emptied": (_edited(LOGIN, "password", b""),),
    "the login's password was removed": (_edited(LOGIN, "password", None),),
    "the login's user name was changed": (_edited(LOGIN, "username", b"x"),),
    "the binding's password was changed": (_edited(BINDING, "password", b"x"),),
    "the login was restored from a backup": (_restored(LOGIN),),
    "the binding was restored from a backup": (_restored(BINDING),),
    "both were restored from a backup": (_restored(LOGIN), _restored(BINDING)),
    "the login was deleted and the binding restored": (_restored(BINDING), _deleted(LOGIN)),
    "the login was deleted and all status lost": (_deleted(LOGIN), _wipe_status),
    "the binding was deleted and all status lost": (_deleted(BINDING), _wipe_status),
}


@pytest.mark.parametrize("sentence", REPAIRED)
def test_the_password_survives_and_stands_in_both_places(sentence: str) -> None:
    made = settled({"authentication": GENERATED})
    password = made.data(LOGIN)["password"]
    for damage in REPAIRED[sentence]:
        damage(made)
    done = settle(made)
    assert condition(done, "Ready") == ("True", "Ready")
    assert made.data(LOGIN) == {"username": b"app", "password": password}
    assert made.data(BINDING)["password"] == password
    assert plan(made).actions == ()


LOST: dict[str, tuple[Damage, ...]] = {
    "both were deleted": (_deleted(LOGIN), _deleted(BINDING)),
    "the login lost its password, the binding was deleted": (_edited(LOGIN, "password", None), _deleted(BINDING)),
    "both lost their passwords": (_edited(LOGIN, "password", None), _edited(BINDING, "password", None)),
}


@pytest.mark.parametrize("sentence", LOST)
def test_a_password_without_any_copy_waits_for_a_person(sentence: str) -> None:
    made = settled({"authentication": GENERATED})
    for damage in LOST[sentence]:
        damage(made)
    done = plan(made)
    assert done.actions == ()
    assert condition(done, "Ready") == ("False", "PasswordLost")
    assert condition(done, "Stalled") == ("True", "PasswordLost")
    for remedy in ("backup", "spec.authentication.password.secretRef", LOGIN.name):
        assert remedy in message(done, "Ready")


def test_a_login_is_made_once_before_anything_hangs_on_it() -> None:
    made = world({"authentication": GENERATED})
    first = plan(made)
    assert [action.id for action in first.actions] == ["server-certificate", "login"]
    settle(made)
    assert len(made.data(LOGIN)["password"]) == 32


def test_nothing_is_made_while_nobody_can_tell_whether_it_stands() -> None:
    made = world({"authentication": GENERATED, "encryption": {"trust": {"system": True}}})
    made.obscure(LOGIN, "Forbidden")
    assert plan(made).actions == ()
    assert condition(plan(made), "Ready") == ("Unknown", "Forbidden")


def test_a_login_of_others_is_not_adopted_by_its_name() -> None:
    made = world({"authentication": GENERATED})
    made.put(secret_manifest("bpm", LOGIN.name, {"username": b"app", "password": b"theirs"}), by="user")
    done = plan(made)
    assert condition(done, "Accepted") == ("False", "NameTaken")
    assert LOGIN not in [action.target for action in done.actions]
    made.drop(LOGIN)
    assert condition(settle(made), "Accepted") == ("True", "Accepted")


BROUGHT = {
    "there is no such Secret": (None, "SecretNotFound"),
    "it has no password": ({"username": b"app"}, "SecretInvalid"),
    "its user name is empty": ({"username": b"", "password": b"x"}, "SecretInvalid"),
    "it is complete": ({"username": b"theirs", "password": b"their-password"}, "Ready"),
}


@pytest.mark.parametrize("sentence", BROUGHT)
def test_a_login_that_the_user_keeps(sentence: str) -> None:
    data, reason = BROUGHT[sentence]
    made = world({"authentication": {"password": {"secretRef": {"name": "own"}}}})
    if data is not None:
        made.put(secret_manifest("bpm", "own", data), by="user")
    done = settle(made)
    assert data is None or made.data(LOGIN._replace(name="own")) == data
    assert condition(done, "Ready")[1] == reason
    if reason == "Ready":
        assert made.data(BINDING)["password"] == b"their-password"
    else:
        assert "spec.authentication.password.secretRef" in message(done, "Ready")


def test_a_password_that_the_user_brought_is_never_taken_for_a_generated_one() -> None:
    theirs = {"username": b"them", "password": b"theirs"}
    made = world({"authentication": {"password": {"secretRef": {"name": "theirs"}}}})
    made.put(secret_manifest("bpm", "theirs", theirs), by="user")
    settle(made)
    assert made.data(BINDING)["password"] == b"theirs"
    made.edit(CHANNEL_REF, lambda manifest: manifest["spec"].update(authentication=GENERATED), by="user")
    settle(made)
    assert made.data(LOGIN)["password"] != b"theirs"
    assert made.data(BINDING)["password"] == made.data(LOGIN)["password"]


def test_a_generated_password_is_restored_from_the_binding_also_with_status_wiped() -> None:
    made = settled({"authentication": GENERATED})
    password = made.data(LOGIN)["password"]
    made.edit(CHANNEL_REF, lambda manifest: manifest.pop("status", None), by="restore")
    made.drop(LOGIN)
    settle(made)
    assert made.data(LOGIN)["password"] == password
