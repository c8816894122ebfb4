from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from breakwater.kernel.plan import WriteSecret
from tests.unit.scenery import (
    BINDING,
    CHANNEL_REF,
    CLIENT,
    GENERATED,
    LOGIN,
    NOW,
    REFERENCE,
    ROOT,
    SERVER,
    foreign_root,
    plan,
    settle,
    settled,
    world,
)
from tests.unit.worlds import condition, encoded, message, secret_manifest

WHOLE = {"authentication": {**GENERATED, **CLIENT}, "output": {"keys": {"PASS": "password", "KEY": "private-key"}}}
TRUST = {"trust": {"authorityRef": REFERENCE}}

URIS = {
    ("HTTPS", None, "db.bpm.svc"): "https://db.bpm.svc:443",
    ("SMTP", None, "db.bpm.svc"): "smtp://db.bpm.svc:587",
    ("SMTP", "Implicit", "db.bpm.svc"): "smtps://db.bpm.svc:465",
    ("PostgreSQL", None, "db.bpm.svc"): "postgresql://db.bpm.svc:5432",
    ("MySQL", None, "db.bpm.svc"): "mysql://db.bpm.svc:3306",
    ("LDAP", None, "db.bpm.svc"): "ldaps://db.bpm.svc:636",
    ("LDAP", "StartTLS", "db.bpm.svc"): "ldap://db.bpm.svc:389",
    ("PostgreSQL", None, "2001:db8::1"): "postgresql://[2001:db8::1]:5432",
    ("SQLServer", None, "db.bpm.svc"): None,
    ("Oracle", None, "db.bpm.svc"): None,
}


@pytest.mark.parametrize(("protocol", "security", "host"), URIS)
def test_the_binding_names_type_host_port_and_where_a_scheme_exists_the_uri(
    protocol: str, security: str | None, host: str
) -> None:
    endpoint = {"host": host} | ({"security": security} if security else {})
    made = settled({"protocol": protocol, "endpoint": endpoint, "encryption": TRUST, "consumers": [{"name": "app"}]})
    data, uri = made.data(BINDING), URIS[protocol, security, host]
    assert data["type"].decode() == protocol.lower()
    assert made.manifest(BINDING)["type"] == f"servicebinding.io/{protocol.lower()}"
    assert (data["provider"], data["host"].decode()) == (b"breakwater", host)
    assert data.get("uri", b"").decode() == (uri or "")
    assert uri is None or uri.endswith(f":{data['port'].decode()}")


EXISTENCE: dict[str, tuple[dict[str, Any], str | None]] = {
    "nothing to hand over": ({}, None),
    "a login": ({"authentication": GENERATED}, "db-binding"),
    "a client certificate": ({"authentication": CLIENT}, "db-binding"),
    "consumers": ({"consumers": [{"name": "app"}]}, "db-binding"),
    "names of the application's own": ({"output": {"keys": {"CA": "ca.crt"}}}, "db-binding"),
    "a name of its own": ({"output": {"secretName": "handed-over"}}, "handed-over"),
}


@pytest.mark.parametrize("sentence", EXISTENCE)
def test_a_binding_exists_where_there_is_something_to_hand_over(sentence: str) -> None:
    spec, name = EXISTENCE[sentence]
    made = settled(spec)
    names = [ref.name for ref in made.refs(BINDING.resource)]
    assert [found for found in names if found in ("db-binding", "handed-over")] == ([name] if name else [])
    assert made.manifest(CHANNEL_REF)["status"].get("binding") == ({"name": name} if name else None)


def test_standard_and_own_names_repeat_their_entries() -> None:
    data = settled(WHOLE).data(BINDING)
    assert (data["certificates"], data["private-key"]) == (data["tls.crt"], data["tls.key"])
    assert (data["PASS"], data["KEY"]) == (data["password"], data["tls.key"])


def test_the_trust_of_the_channel_and_not_of_the_clients_authority_is_handed_over() -> None:
    bundle = foreign_root().certificate_pem
    made = world(
        {"authentication": CLIENT, "encryption": {"trust": {"bundleRef": {"kind": "Secret", "name": "theirs"}}}}
    )
    made.put(secret_manifest("bpm", "theirs", {"ca.crt": bundle}), by="user")
    (action,) = plan(made).actions
    made.act(action, NOW)
    assert made.data(BINDING)["ca.crt"] == bundle
    assert made.data(BINDING)["ca.crt"] != made.data(ROOT)["tls.crt"]


def _data(**changes: bytes | None) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        for key, value in changes.items():
            name = key.replace("_", ".")
            manifest["data"].pop(name, None)
            manifest["data"] |= {name: encoded(value)} if value is not None else {}

    return change


def _metadata(field: str, key: str, value: str | None) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        manifest["metadata"][field].pop(key, None)
        manifest["metadata"][field] |= {key: value} if value is not None else {}

    return change


REPAIRED = {
    "an entry changed": _data(host=b"elsewhere"),
    "an entry removed": _data(port=None),
    "an own name changed": _data(PASS=b"x"),
    "an own name removed": _data(KEY=None),
    "trust changed": _data(ca_crt=b"x"),
    "our label removed": _metadata("labels", "app.kubernetes.io/managed-by", None),
    "the policy removed": _metadata("annotations", "breakwater.dev/deletion-policy", None),
    "the count of keys removed": _metadata("annotations", "breakwater.dev/generation", None),
    "released once and taken up again": _metadata("labels", "breakwater.dev/released", "true"),
}


@pytest.mark.parametrize("sentence", REPAIRED)
def test_drift_is_repaired_without_another_key(sentence: str) -> None:
    made = settled(WHOLE)
    before, marks = made.data(BINDING), made.manifest(BINDING)["metadata"]
    made.edit(BINDING, REPAIRED[sentence], by="user")
    settle(made)
    assert made.data(BINDING) == before
    after = made.manifest(BINDING)["metadata"]
    assert (after["labels"], after["annotations"]) == (marks["labels"], marks["annotations"])


def test_what_others_add_stays_and_what_we_do_not_want_any_more_goes() -> None:
    made = settled(WHOLE)
    made.edit(BINDING, _data(theirs=b"theirs"), by="user")
    assert plan(made).actions == ()
    made.edit(CHANNEL_REF, lambda manifest: manifest["spec"].pop("output"), by="user")
    settle(made)
    assert made.data(BINDING)["theirs"] == b"theirs"
    assert not {"PASS", "KEY"} & made.data(BINDING).keys()


def test_a_broken_client_key_becomes_one_notable_new_generation() -> None:
    made = settled(WHOLE)
    before = made.data(BINDING)
    made.edit(BINDING, _data(tls_key=b"no key"), by="user")
    (action,) = plan(made).actions
    assert isinstance(action, WriteSecret)
    assert (action.reason, action.notable) == ("KeyPairBroken", True)
    assert action.annotations["breakwater.dev/generation"] == "2"
    settle(made)
    assert made.data(BINDING)["password"] == before["password"]
    assert made.data(BINDING)["tls.key"] not in (before["tls.key"], b"no key")


def test_a_client_name_that_is_not_granted_is_refused_with_the_field_and_nothing_is_written() -> None:
    client = {"clientCertificate": {"authorityRef": REFERENCE, "commonName": "root"}}
    made = world({"authentication": client})
    done = plan(made)
    assert condition(done, "Accepted") == ("False", "NotPermitted")
    assert "spec.authentication.clientCertificate.commonName" in message(done, "Accepted")
    assert done.actions == ()


def test_a_binding_of_others_is_not_adopted_by_its_name() -> None:
    made = world(WHOLE)
    made.put(secret_manifest("bpm", BINDING.name, {"theirs": b"theirs"}), by="user")
    done = settle(made)
    assert condition(done, "Accepted") == ("False", "NameTaken")
    assert "spec.output.secretName" in message(done, "Accepted")
    assert made.data(BINDING) == {"theirs": b"theirs"}


def test_another_name_for_the_binding_releases_the_old_one_after_the_new_one_stands() -> None:
    made = settled(WHOLE)
    password = made.data(LOGIN)["password"]
    made.edit(CHANNEL_REF, lambda manifest: manifest["spec"]["output"].update(secretName="moved"), by="user")
    assert [action.target.name for action in plan(made).actions] == ["moved"]
    settle(made)
    assert made.manifest(BINDING)["metadata"]["labels"]["breakwater.dev/released"] == "true"
    assert made.data(BINDING._replace(name="moved"))["password"] == password


def test_a_copy_under_another_name_is_left_alone() -> None:
    """Whoever copies a Secret of ours copies our marks: it is released neither now nor with the channel."""
    made = settled(WHOLE)
    kept = made.manifest(SERVER)
    copied = {key: kept["metadata"][key] for key in ("namespace", "labels", "annotations")}
    made.put({**kept, "metadata": {**copied, "name": "a-copy"}}, by="user")
    assert plan(made).actions == ()


ABSENT = {
    "uri": ({"protocol": "SQLServer"}, "uri", "build it from host and port"),
    "password": ({}, "password", "spec.authentication.password is not set"),
    "private-key": ({}, "private-key", "spec.authentication.clientCertificate is not set"),
    "tls.crt": ({"authentication": GENERATED}, "tls.crt", "spec.authentication.clientCertificate is not set"),
    "ca.crt": ({"encryption": {"trust": {"system": True}}}, "ca.crt", "spec.encryption.trust"),
}


@pytest.mark.parametrize("sentence", ABSENT)
def test_an_own_name_for_an_entry_that_is_not_there_is_refused(sentence: str) -> None:
    spec, entry, why = ABSENT[sentence]
    done = plan(world({"output": {"keys": {"MINE": entry}}} | spec))
    assert condition(done, "Accepted") == ("False", "EntryAbsent")
    assert "spec.output.keys.MINE" in message(done, "Accepted")
    assert why in message(done, "Accepted")


def test_who_trusts_the_system_gets_no_empty_bundle() -> None:
    made = settled({"encryption": {"trust": {"system": True}}, "authentication": CLIENT})
    assert "ca.crt" not in made.data(BINDING)
    assert made.data(BINDING)["tls.crt"]
    assert plan(made).actions == ()
