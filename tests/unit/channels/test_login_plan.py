from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.scenery import BINDING, CHANNEL, CHANNEL_REF, GENERATED, LOGIN, plan, settle, settled, world
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


def _restored(made: MemoryWorld, *refs: Any) -> None:
    """Deleted and put back from a backup by a person."""
    for ref in refs:
        kept = made.manifest(ref)
        made.drop(ref)
        metadata = {key: kept["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
        made.put({**kept, "metadata": metadata}, by="kubectl")


REPAIRED: dict[str, Damage] = {
    "nothing happened": lambda made: None,
    "the login was deleted": lambda made: made.drop(LOGIN),
    "the binding was deleted": lambda made: made.drop(BINDING),
    "the login's password was changed": lambda made: made.edit(LOGIN, _set("password", b"x"), by="user"),
    "the login's password was emptied": lambda made: made.edit(LOGIN, _set("password", b""), by="user"),
    "the login's password was removed": lambda made: made.edit(LOGIN, _set("password", None), by="user"),
    "the login's user name was changed": lambda made: made.edit(LOGIN, _set("username", b"x"), by="user"),
    "the binding's password was changed": lambda made: made.edit(BINDING, _set("password", b"x"), by="user"),
    "the login was restored from a backup": lambda made: _restored(made, LOGIN),
    "the binding was restored from a backup": lambda made: _restored(made, BINDING),
    "both were restored from a backup": lambda made: _restored(made, LOGIN, BINDING),
    "the login was deleted and the binding restored": lambda made: (_restored(made, BINDING), made.drop(LOGIN))[0],
    "the login was deleted and all status lost": lambda made: (made.drop(LOGIN), _wipe_status(made))[0],
    "the binding was deleted and all status lost": lambda made: (made.drop(BINDING), _wipe_status(made))[0],
}


@pytest.mark.parametrize("sentence", REPAIRED)
def test_the_password_survives_and_stands_in_both_places(sentence: str) -> None:
    made = settled({"authentication": GENERATED})
    password = made.data(LOGIN)["password"]
    REPAIRED[sentence](made)
    done = settle(made)
    assert condition(done, "Ready") == ("True", "Ready")
    assert made.data(LOGIN) == {"username": b"app", "password": password}
    assert made.data(BINDING)["password"] == password
    assert plan(made).actions == ()


LOST: dict[str, Damage] = {
    "both were deleted": lambda made: (made.drop(LOGIN), made.drop(BINDING))[0],
    "the login lost its password and the binding was deleted": lambda made: (
        made.edit(LOGIN, _set("password", None), by="user"),
        made.drop(BINDING),
    )[1],
    "both lost their passwords": lambda made: (
        made.edit(LOGIN, _set("password", None), by="user"),
        made.edit(BINDING, _set("password", None), by="user"),
    )[1],
}


@pytest.mark.parametrize("sentence", LOST)
def test_a_password_without_any_copy_waits_for_a_person(sentence: str) -> None:
    made = settled({"authentication": GENERATED})
    LOST[sentence](made)
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
    made = world({"authentication": GENERATED})
    made.obscure(LOGIN, "Forbidden")
    assert "login" not in [action.id for action in plan(made).actions]
    assert condition(plan(made), "Ready")[0] == "Unknown"


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
    assert condition(done, "Ready")[1] == reason
    assert "own" not in [ref.name for ref in made.refs(LOGIN.resource) if CHANNEL.name in str(made.manifest(ref)["metadata"].get("annotations"))]
    if reason == "Ready":
        assert made.data(BINDING)["password"] == b"their-password"
    else:
        assert "spec.authentication.password.secretRef" in message(done, "Ready")
