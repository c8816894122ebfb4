"""A client certificate is shown to the right server and to no other, end to end through the operator."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID

from breakwater.pki.keys import seal_key
from tests.cluster.canaries import Canary
from tests.cluster.harness import NAMESPACE, OperatorProcess, authority, channel, conditions, install
from tests.cluster.ledger import namespace
from tests.cluster.listening import listening
from tests.controlplane import ControlPlane, wait_until
from tests.unit.pki.forge import Made, forge, forge_server, pem
from tests.unit.probes.authority import Authority, Credential
from tests.unit.probes.servers import CERTIFICATE, Recorder, server_context, tls_server

HOME, SERVER_NAME = "home", "web.example.com"
NOW, DAY = datetime.now(UTC), timedelta(days=1)
LIFE = (NOW - 9 * DAY, NOW + 90 * DAY)
PASSWORD = b"cnry-password-of-a-probed-channel"


def _credential(made: Made) -> Credential:
    return Credential(made.key, (made.certificate,))  # type: ignore[arg-type]  # an EC key, as forge makes them


class Peer(NamedTuple):
    """A server that asks for a client certificate: what it shows, and what Encrypted comes to."""

    shows: Callable[[Made], Credential]
    status: str
    reason: str


def _leaf(root: Made | None, **changes: Any) -> Credential:
    return _credential(forge_server(root, **{"dns": (SERVER_NAME,), "period": LIFE} | changes))


PEERS: dict[str, Peer] = {
    "honest": Peer(_leaf, "True", "Verified"),
    "of-another-authority": Peer(lambda _: Authority().issue(SERVER_NAME), "False", "UntrustedChain"),
    "self-signed": Peer(lambda _: _leaf(None), "False", "UntrustedChain"),
    "of-another-name": Peer(lambda root: _leaf(root, dns=("db.example.com",)), "False", "NameMismatch"),
    "expired": Peer(lambda root: _leaf(root, period=(NOW - 9 * DAY, NOW - DAY)), "False", "CertificateExpired"),
    "of-the-future": Peer(
        lambda root: _leaf(root, period=(NOW + DAY, NOW + 9 * DAY)), "False", "CertificateNotYetValid"
    ),
    "a-client": Peer(lambda root: _leaf(root, usages=[ExtendedKeyUsageOID.CLIENT_AUTH]), "False", "WrongUsage"),
}


class Scene(NamedTuple):
    """What each server heard, what each channel says, and what must not have been heard."""

    heard: Mapping[str, Recorder]
    said: Mapping[str, Mapping[str, Any]]
    certificates: Mapping[str, bytes]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    root = forge("brought", period=(NOW - 10 * DAY, NOW + 99 * DAY))
    clients = _AuthorityOf(pem(root.certificate))
    with ControlPlane() as cluster, listening() as start:
        install(cluster)
        namespace(cluster, HOME)
        peers: dict[str, Recorder] = {
            name: start(tls_server(server_context(peer.shows(root), clients=clients)))  # type: ignore[arg-type]  # its PEM is all that is asked of it
            for name, peer in PEERS.items()
        }
        cluster.apply([_secret(NAMESPACE, "brought", {"tls.crt": clients.pem, "tls.key": seal_key(root.key).open()})])
        cluster.apply([_secret(HOME, "login", {"username": b"app", "password": PASSWORD})])
        with OperatorProcess(cluster, arguments=("--probe-allow=127.0.0.0/8",)):
            cluster.apply([authority("brought", source={"secretRef": {"name": "brought"}})])
            cluster.apply([_channel(name, recorder.port) for name, recorder in peers.items()])
            said: dict[str, Mapping[str, Any]] = {}

            def measured() -> bool:
                items = cluster.get("chan", "-n", HOME)["items"]
                said.update({item["metadata"]["name"]: item for item in items})
                return all(_is_measured(said.get(name, {})) for name in PEERS)

            wait_until(measured, 60, "every server being measured in every way")
        yield Scene(peers, said, {name: _client_certificate(cluster, name) for name in PEERS})


class _AuthorityOf:
    def __init__(self, certificates: bytes) -> None:
        self.pem = certificates


def _secret(place: str, name: str, data: Mapping[str, bytes]) -> dict[str, Any]:
    entries = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": place}, "data": entries}


def _channel(name: str, port: int) -> dict[str, Any]:
    reference = {"name": "brought"}
    return channel(
        HOME,
        name,
        endpoint={"host": "127.0.0.1", "port": port, "serverName": SERVER_NAME},
        encryption={"trust": {"authorityRef": reference}},
        authentication={
            "clientCertificate": {"authorityRef": reference, "commonName": "app"},
            "password": {"secretRef": {"name": "login"}},
        },
        probe={"interval": "5s", "negativeInterval": "1m"},
    )


def _is_measured(item: Mapping[str, Any]) -> bool:
    measured = {entry["name"] for entry in (item.get("status") or {}).get("measurements", ())}
    return measured >= {"Handshake", "Plaintext", "OldVersion", "NoClientCertificate"}


def _client_certificate(cluster: ControlPlane, name: str) -> bytes:
    data = cluster.get("secret", f"{name}-binding", "-n", HOME)["data"]
    certificate = load_pem_x509_certificate(base64.b64decode(data["tls.crt"]))
    return certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("name", PEERS)
def test_the_operator_sees_through_each_server(scene: Scene, name: str) -> None:
    encrypted = conditions(scene.said[name])["Encrypted"]
    assert (encrypted["status"], encrypted["reason"]) == (PEERS[name].status, PEERS[name].reason)


def test_the_right_server_is_shown_the_client_certificate(scene: Scene) -> None:
    heard = scene.heard["honest"].heard
    assert any(scene.certificates["honest"] in one.content for one in heard if CERTIFICATE in one.messages)


@pytest.mark.parametrize("name", [name for name in PEERS if name != "honest"])
def test_no_other_server_is_shown_anything(scene: Scene, name: str) -> None:
    heard = scene.heard[name].heard
    assert heard, "it was connected to"
    for one in heard:
        assert scene.certificates[name] not in one.content
        assert one.data == b"", "nor is anything said to it"


@pytest.mark.parametrize("name", PEERS)
def test_no_server_is_told_a_password(scene: Scene, name: str) -> None:
    canary = Canary("password", PASSWORD)
    for one in scene.heard[name].heard:
        assert not canary.leaks_in((one.content + one.data).decode("latin-1"))
