"""Whatever is changed or deleted of what we made comes back, or becomes a new generation where a key is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from breakwater.kernel.sealed import Sealed
from breakwater.pki import Algorithm, RootRequest, issue_root, key_matches
from tests.cluster.second_client import Thing, decoded, encoded
from tests.cluster.suite import Scene, Suite, content, generation, scene

SUITE = Suite("drift")
LABEL = "app.kubernetes.io/managed-by"
SUBJECT = "breakwater.dev/subject"
AUTHORITY = "breakwater.dev/authority"
USE = "breakwater.dev/use"
POLICY = "breakwater.dev/deletion-policy"
GENERATION = "breakwater.dev/generation"

Change = Mapping[str, Any]


@pytest.fixture(scope="module")
def stage() -> Iterator[Scene]:
    with scene(SUITE) as made:
        # Of a second generation, so that a count that is forgotten shows.
        for thing in (SUITE.server, SUITE.binding):
            before = made.client.get(thing)
            made.client.delete(thing)
            _await_next_generation(made, thing, before)
        yield made


def _label(value: str | None) -> Change:
    return {"metadata": {"labels": {LABEL: value}}}


def _annotation(name: str, value: str | None = None) -> Change:
    return {"metadata": {"annotations": {name: value}}}


def _data(key: str, value: bytes | None) -> Change:
    return {"data": {key: encoded(value) if value is not None else None}}


def _foreign_root() -> bytes:
    request = RootRequest(common_name="foreign", algorithm=Algorithm.ECDSA_P256, lifetime=timedelta(days=1))
    return issue_root(request, datetime.now(UTC)).certificate_pem


class Drift(NamedTuple):
    """A change by somebody else after which the object must stand as before."""

    thing: Thing
    change: Change | None
    """None deletes it."""


FOREIGN_ROOT = _foreign_root()
MARKS = {
    SUITE.server: (SUBJECT, AUTHORITY, USE, POLICY, GENERATION),
    SUITE.binding: (SUBJECT, AUTHORITY, USE, POLICY, GENERATION),
    SUITE.login: (SUBJECT, POLICY),
    SUITE.root: (SUBJECT, AUTHORITY, USE, GENERATION),
    SUITE.trust: (SUBJECT, AUTHORITY),
    SUITE.bundle: (SUBJECT, AUTHORITY),
}

DRIFTS: dict[str, Drift] = {
    **{f"{thing.name}: our label removed": Drift(thing, _label(None)) for thing in SUITE.made},
    **{f"{thing.name}: our label changed": Drift(thing, _label("somebody")) for thing in SUITE.made},
    **{
        f"{thing.name}: annotation {name.partition('/')[2]} removed": Drift(thing, _annotation(name))
        for thing, names in MARKS.items()
        for name in names
    },
    **{f"{thing.name}: annotation use changed": Drift(thing, _annotation(USE, "Other")) for thing in SUITE.made[:2]},
    "the server's trust changed": Drift(SUITE.server, _data("ca.crt", FOREIGN_ROOT)),
    "the server's trust removed": Drift(SUITE.server, _data("ca.crt", None)),
    "the binding's host changed": Drift(SUITE.binding, _data("host", b"elsewhere.example.com")),
    "the binding's port removed": Drift(SUITE.binding, _data("port", None)),
    "the binding's trust changed": Drift(SUITE.binding, _data("ca.crt", FOREIGN_ROOT)),
    "the binding's password changed": Drift(SUITE.binding, _data("password", b"guessed")),
    "the binding's password removed": Drift(SUITE.binding, _data("password", None)),
    "the application's own name for the password changed": Drift(SUITE.binding, _data("APP_PASSWORD", b"guessed")),
    "the application's own name for the key removed": Drift(SUITE.binding, _data("APP_KEY", None)),
    "the second name of the client's key changed": Drift(SUITE.binding, _data("private-key", b"no key")),
    "the login's user name changed": Drift(SUITE.login, _data("username", b"root")),
    "the login's user name removed": Drift(SUITE.login, _data("username", None)),
    "the login's password changed": Drift(SUITE.login, _data("password", b"guessed")),
    "the login's password emptied": Drift(SUITE.login, _data("password", b"")),
    "the login's password removed": Drift(SUITE.login, _data("password", None)),
    "the login deleted": Drift(SUITE.login, None),
    "the root's trust changed": Drift(SUITE.root, _data("ca.crt", FOREIGN_ROOT)),
    "the root's trust removed": Drift(SUITE.root, _data("ca.crt", None)),
    "the trust ConfigMap changed": Drift(SUITE.trust, {"data": {"ca.crt": FOREIGN_ROOT.decode()}}),
    "the trust ConfigMap emptied": Drift(SUITE.trust, {"data": None}),
    "the trust ConfigMap's owner removed": Drift(SUITE.trust, {"metadata": {"ownerReferences": None}}),
    "the trust ConfigMap deleted": Drift(SUITE.trust, None),
    "the ClusterTrustBundle changed": Drift(SUITE.bundle, {"spec": {"trustBundle": FOREIGN_ROOT.decode()}}),
    "the ClusterTrustBundle's owner removed": Drift(SUITE.bundle, {"metadata": {"ownerReferences": None}}),
    "the ClusterTrustBundle deleted": Drift(SUITE.bundle, None),
}


@pytest.mark.parametrize("sentence", DRIFTS)
def test_drift_is_repaired(stage: Scene, sentence: str) -> None:
    drift, client = DRIFTS[sentence], stage.client
    before = {thing: content(client.get(thing)) for thing in SUITE.made}
    # Somebody else each time: three times in a row from one manager would be a contest.
    drifted = _inflict(stage, drift, manager=sentence.replace(" ", "-"))
    assert drifted is None or content(drifted) != before[drift.thing], "the API server kept the change"
    stage.await_that(lambda: _stands(stage, drift.thing, before[drift.thing]), f"the repair of: {sentence}")
    stage.await_ready(SUITE)
    assert {thing: content(client.get(thing)) for thing in SUITE.made} == before, "nothing else was changed"


def _inflict(stage: Scene, drift: Drift, manager: str) -> dict[str, Any] | None:
    if drift.change is None:
        stage.client.delete(drift.thing)
        return None
    return stage.client.patch(drift.thing, drift.change, manager)


def _stands(stage: Scene, thing: Thing, wanted: Mapping[str, Any]) -> bool:
    found = stage.client.find(thing)
    return found is not None and content(found) == wanted


BROKEN: dict[str, tuple[Thing, Callable[[Mapping[str, bytes]], Mapping[str, bytes]]]] = {
    "the server's key is that of the client": (SUITE.server, lambda other: {"tls.key": other["tls.key"]}),
    "the server's certificate is that of the client": (SUITE.server, lambda other: {"tls.crt": other["tls.crt"]}),
    "the server's key is empty": (SUITE.server, lambda _: {"tls.key": b""}),
    "the server's certificate is no PEM": (SUITE.server, lambda _: {"tls.crt": b"-----BEGIN NONSENSE"}),
    "the client's key is that of the server": (SUITE.binding, lambda other: {"tls.key": other["tls.key"]}),
    "the client's certificate is empty": (SUITE.binding, lambda _: {"tls.crt": b""}),
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_key_pair_that_no_longer_matches_becomes_a_new_generation_with_an_event(stage: Scene, sentence: str) -> None:
    thing, damage = BROKEN[sentence]
    other = SUITE.binding if thing is SUITE.server else SUITE.server
    before, told = stage.client.get(thing), len(stage.events(SUITE.channel, "KeyPairBroken"))
    broken = {key: encoded(value) for key, value in damage(stage.client.data(other)).items()}
    stage.client.patch(thing, {"data": broken}, manager=sentence.replace(" ", "-"))
    _await_next_generation(stage, thing, before)
    stage.await_that(lambda: len(stage.events(SUITE.channel, "KeyPairBroken")) > told, f"an event about: {sentence}")


@pytest.mark.parametrize("thing", [SUITE.server, SUITE.binding], ids=lambda thing: thing.name)
def test_a_deleted_secret_with_a_key_becomes_a_new_generation(stage: Scene, thing: Thing) -> None:
    before = stage.client.get(thing)
    stage.client.delete(thing)
    _await_next_generation(stage, thing, before)


def _await_next_generation(stage: Scene, thing: Thing, before: Mapping[str, Any]) -> None:
    wanted = generation(before) + 1
    stage.await_that(lambda: _is_generation(stage, thing, wanted), f"generation {wanted} of {thing.name}")
    stage.await_that(lambda: _told_generation(stage, thing) == wanted, f"generation {wanted} of {thing.name} in status")
    stage.await_ready(SUITE)
    old, new = decoded(before), stage.client.data(thing)
    assert key_matches(Sealed(new["tls.key"]), new["tls.crt"])
    assert new["tls.key"] != old["tls.key"]
    assert {key: new.get(key) for key in ("username", "password", "ca.crt", "host")} == {
        key: old.get(key) for key in ("username", "password", "ca.crt", "host")
    }


def _is_generation(stage: Scene, thing: Thing, wanted: int) -> bool:
    found = stage.client.find(thing)
    return found is not None and generation(found) == wanted


def _told_generation(stage: Scene, thing: Thing) -> int:
    use = "Server" if thing is SUITE.server else "Client"
    entries = stage.client.get(SUITE.channel)["status"]["certificates"]
    return next(int(entry["generation"]) for entry in entries if entry["use"] == use)
