"""What the example promises, seen by a second client and judged by the openssl program."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cluster import second_client as second
from tests.cluster.harness import EXAMPLE, NAMESPACE, OperatorProcess, install, is_ready
from tests.cluster.second_client import SecondClient, config_map, decoded
from tests.controlplane import ControlPlane, wait_until

SUITE = {"breakwater.dev/suite": "bpm"}
OURS = "app.kubernetes.io/managed-by=breakwater"
PROMISED_SECONDS = 10
TRUST_SECONDS = 10
TLS_KEYS = {"tls.crt", "tls.key", "ca.crt"}
STANDARD = {"type", "provider", "host", "port", "uri", "username", "password", "ca.crt"}

SERVERS = {
    "bpm-web-tls": ("bpm-web.bpm.svc", "bpm.bpm.example.com"),
    "bpm-mail-tls": ("bpm-mail.bpm.svc",),
    "bpm-db-tls": ("bpm-db.bpm.svc",),
    "bpm-ldap-tls": ("bpm-ldap.bpm.svc",),
}
LOGINS = {"b-smtp-login": "bpm", "c-database-login": "bpm", "d-ldap-login": "cn=bpm,ou=services,dc=example,dc=com"}


class Binding(NamedTuple):
    """What an application must find in one binding Secret."""

    channel: str
    type: str
    host: str
    port: str
    uri: str
    login: str
    aliases: Mapping[str, str]
    client: bool = False


BINDINGS = {
    "bpm-mail-binding": Binding(
        "b-smtp", "smtp", "bpm-mail.bpm.svc", "587", "smtp://bpm-mail.bpm.svc:587", "b-smtp-login",
        {"MAIL_USER": "username", "MAIL_PASSWORD": "password"},
    ),
    "c-database-binding": Binding(
        "c-database", "postgresql", "bpm-db.bpm.svc", "5432", "postgresql://bpm-db.bpm.svc:5432", "c-database-login",
        {"JDBC_USERNAME": "username", "JDBC_PASSWORD": "password"}, client=True,
    ),
    "d-ldap-binding": Binding(
        "d-ldap", "ldap", "bpm-ldap.bpm.svc", "389", "ldap://bpm-ldap.bpm.svc:389", "d-ldap-login", {}
    ),
}  # fmt: skip


class Seen(NamedTuple):
    """The cluster as the second client saw it, at most PROMISED_SECONDS after the example was applied."""

    client: SecondClient
    secrets: Mapping[tuple[str, str], Mapping[str, Any]]
    bundles: Mapping[str, Mapping[str, Any]]
    channels: Mapping[str, Mapping[str, Any]]
    seconds: float

    def data(self, name: str, namespace: str = "bpm") -> dict[str, bytes]:
        return decoded(self.secrets[namespace, name])


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    with ControlPlane() as cluster:
        install(cluster)
        with OperatorProcess(cluster) as operator, SecondClient(cluster.admin_kubeconfig) as client:
            operator.wait_leading()
            cluster.apply(EXAMPLE)
            applied = time.monotonic()
            wait_until(lambda: _all_ready(client), PROMISED_SECONDS, "the example being Ready")
            yield _look(client, applied)


def _all_ready(client: SecondClient) -> bool:
    items = [
        *client.list("apis/breakwater.dev/v1alpha1/communicationchannels"),
        client.get(second.authority("platform")),
    ]
    return len(items) == 5 and all(map(is_ready, items))


def _look(client: SecondClient, applied: float) -> Seen:
    secrets = {
        (item["metadata"]["namespace"], item["metadata"]["name"]): item for item in client.list("api/v1/secrets", OURS)
    }
    bundles = _trust_bundles(client)
    channels = {
        item["metadata"]["name"]: item for item in client.list("apis/breakwater.dev/v1alpha1/communicationchannels")
    }
    seconds = time.monotonic() - applied
    assert seconds <= PROMISED_SECONDS
    print(f"\nexample: Ready and read by the second client {seconds:.1f} s after apply")
    return Seen(client, secrets, bundles, channels, seconds)


def _trust_bundles(client: SecondClient) -> dict[str, Mapping[str, Any]]:
    found = [item for item in client.list("api/v1/configmaps") if item["metadata"]["name"] == "platform-trust"]
    return {item["metadata"]["namespace"]: item for item in found}


def test_exactly_the_declared_secrets_are_made(seen: Seen) -> None:
    assert set(seen.secrets) == {("bpm", name) for name in (*SERVERS, *LOGINS, *BINDINGS)} | {
        (NAMESPACE, "authority-platform"),
        (NAMESPACE, "restart-marks"),
    }
    types = {name: item["type"] for (_, name), item in seen.secrets.items()}
    expected = dict.fromkeys((*SERVERS, "authority-platform"), "kubernetes.io/tls")
    expected |= dict.fromkeys(LOGINS, "kubernetes.io/basic-auth")
    expected |= {"restart-marks": "Opaque"}
    assert types == expected | {name: f"servicebinding.io/{binding.type}" for name, binding in BINDINGS.items()}


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_certificate_is_accepted_by_openssl_for_each_declared_name(
    seen: Seen, name: str, tmp_path: Path
) -> None:
    data = seen.data(name)
    assert data.keys() == TLS_KEYS
    for host in SERVERS[name]:
        assert _verify(tmp_path, data, seen.data("authority-platform", NAMESPACE), "sslserver", host) == ""
    assert "hostname mismatch" in _verify(tmp_path, data, data, "sslserver", "elsewhere.bpm.svc")
    assert "purpose" in _verify(tmp_path, data, data, "sslclient")
    assert _public_key_of_certificate(data["tls.crt"]) == _public_key_of_key(data["tls.key"])


def test_the_client_certificate_is_accepted_by_openssl_for_clients_only(seen: Seen, tmp_path: Path) -> None:
    data = seen.data("c-database-binding")
    assert _verify(tmp_path, data, seen.data("authority-platform", NAMESPACE), "sslclient") == ""
    assert "purpose" in _verify(tmp_path, data, data, "sslserver")
    assert _public_key_of_certificate(data["tls.crt"]) == _public_key_of_key(data["tls.key"])
    subject = _openssl("x509", "-noout", "-subject", "-nameopt", "RFC2253", stdin=data["tls.crt"])
    assert subject.strip() == b"subject=CN=bpm"


def test_no_two_secrets_hold_the_same_key(seen: Seen) -> None:
    keys = [decoded(item)["tls.key"] for item in seen.secrets.values() if "tls.key" in decoded(item)]
    assert len(keys) == len(set(keys)) == len(SERVERS) + 2


@pytest.mark.parametrize("name", LOGINS)
def test_a_generated_login_holds_the_user_name_and_a_long_password(seen: Seen, name: str) -> None:
    data = seen.data(name)
    assert data.keys() == {"username", "password"}
    assert data["username"].decode() == LOGINS[name]
    assert len(data["password"]) == 32
    assert all(data["password"] != seen.data(other)["password"] for other in LOGINS if other != name)


@pytest.mark.parametrize("name", BINDINGS)
def test_a_binding_says_what_the_service_binding_specification_asks_for(seen: Seen, name: str) -> None:
    binding, data = BINDINGS[name], seen.data(name)
    login = seen.data(binding.login)
    client_entries = {"tls.crt", "tls.key", "certificates", "private-key"} if binding.client else set()
    assert data.keys() == STANDARD | client_entries | binding.aliases.keys()
    plain = {key: data[key].decode() for key in ("type", "provider", "host", "port", "uri")}
    assert plain == {
        "type": binding.type, "provider": "breakwater", "host": binding.host, "port": binding.port, "uri": binding.uri,
    }  # fmt: skip
    assert (data["username"], data["password"]) == (login["username"], login["password"])
    assert all(data[alias] == data[entry] for alias, entry in binding.aliases.items())
    assert data["ca.crt"] == seen.data("authority-platform", NAMESPACE)["tls.crt"]
    if binding.client:
        assert (data["certificates"], data["private-key"]) == (data["tls.crt"], data["tls.key"])
    assert seen.channels[binding.channel]["status"]["binding"] == {"name": name}


def test_a_channel_without_anything_to_hand_over_has_no_binding(seen: Seen) -> None:
    assert "binding" not in seen.channels["a-web"]["status"]


def test_the_trust_bundle_is_in_exactly_the_selected_namespaces(seen: Seen) -> None:
    assert set(seen.bundles) == {"bpm"}
    assert seen.bundles["bpm"]["data"] == {"ca.crt": seen.data("authority-platform", NAMESPACE)["tls.crt"].decode()}


def test_the_trust_bundle_follows_the_labels_of_namespaces(seen: Seen) -> None:
    client, born, later = seen.client, second.namespace("born-selected"), second.namespace("selected-later")
    root = seen.data("authority-platform", NAMESPACE)["tls.crt"].decode()

    def placed() -> dict[str, str]:
        return {place: item["data"]["ca.crt"] for place, item in _trust_bundles(client).items()}

    def await_in(*places: str) -> None:
        wait_until(lambda: placed() == dict.fromkeys(places, root), TRUST_SECONDS, f"the bundle in exactly {places}")
        wait_until(lambda: _counted(client) == len(places), TRUST_SECONDS, "the count in status")

    client.create(later, {})
    client.create(born, {"metadata": {"labels": SUITE}})
    await_in("bpm", "born-selected")
    client.patch(later, {"metadata": {"labels": SUITE}})
    await_in("bpm", "born-selected", "selected-later")
    client.patch(born, {"metadata": {"labels": dict.fromkeys(SUITE, "other")}})
    client.patch(later, {"metadata": {"labels": dict.fromkeys(SUITE)}})
    await_in("bpm")
    client.delete(config_map("bpm", "platform-trust"))
    await_in("bpm")


def _counted(client: SecondClient) -> int:
    return int(client.get(second.authority("platform"))["status"]["trust"]["namespaces"])


def test_status_names_each_certificate_as_it_stands_in_its_secret(seen: Seen) -> None:
    named: dict[tuple[str, str], str] = {}
    for item in seen.channels.values():
        named |= {(entry["secretName"], entry["use"]): entry["fingerprint"] for entry in item["status"]["certificates"]}
    uses = {(name, "Server") for name in SERVERS} | {("c-database-binding", "Client")}
    assert named == {(name, use): _fingerprint(seen.data(name)["tls.crt"]) for name, use in uses}


# --- openssl ----------------------------------------------------------------------------------------------------


def _openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    run = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout


def _verify(
    folder: Path, leaf: Mapping[str, bytes], trust: Mapping[str, bytes], purpose: str, host: str | None = None
) -> str:
    """What `openssl verify` has against a leaf, empty when it accepts it."""
    certificate, bundle = folder / "leaf.pem", folder / "trust.pem"
    certificate.write_bytes(leaf["tls.crt"])
    bundle.write_bytes(trust["ca.crt"])
    command = [
        "openssl",
        "verify",
        "-x509_strict",
        "-purpose",
        purpose,
        "-no-CApath",
        "-no-CAstore",
        "-CAfile",
        str(bundle),
    ]
    command += ["-verify_hostname", host] if host else []
    run = subprocess.run([*command, str(certificate)], capture_output=True, check=False, text=True)
    return "" if run.returncode == 0 else run.stdout + run.stderr


def _public_key_of_certificate(certificate: bytes) -> bytes:
    return _openssl("x509", "-noout", "-pubkey", stdin=certificate)


def _public_key_of_key(key: bytes) -> bytes:
    return _openssl("pkey", "-pubout", stdin=key)


def _fingerprint(certificate: bytes) -> str:
    shown = _openssl("x509", "-noout", "-fingerprint", "-sha256", stdin=certificate).decode()
    return shown.partition("=")[2].strip().replace(":", "").lower()
