"""The TLS probe against servers of others: OpenSSL's test server in many moods, and nginx."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from breakwater.kernel.measurement import Result
from breakwater.probes.address import AddressContext
from breakwater.probes.ciphers import OPENSSL_NAMES
from breakwater.probes.measure import measure
from breakwater.probes.reasons import MeasurementResult, Reason
from breakwater.probes.request import Addresses, NegativeKind, NegativeProbe, TlsProbe, TlsVersion
from tests.unit.probes.authority import Authority, Credential

NAME = "web.bpm.svc"
PLAINTEXT, OLD, ANONYMOUS = NegativeKind.PLAINTEXT, NegativeKind.OLD_VERSION, NegativeKind.NO_CLIENT_CERTIFICATE
LOOPBACK = AddressContext(allow=(ip_network("127.0.0.0/8"),))
DH_1024 = """-----BEGIN DH PARAMETERS-----
MIGHAoGBANVZdMIoYep+e/Rkd8etL8jKsfDPr1FUcUfWf3PPtavesA3Y31lkKwbJ
GoB8biCYeX3Dn6DPkToeMj1c/0uBixBXHGD5Ii/aEnVTg2MTvjJr1sEYsFREZFIr
boaZkAaRkf1c/8xYTpmJZqVOkVvWBPkjvq68n1TSb/fYX8h5XSsXAgEC
-----END DH PARAMETERS-----
"""
ECDHE_128 = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"


@dataclass(frozen=True)
class Keys:
    """An authority and what it issued, in memory and as files for servers."""

    authority: Authority
    server: Credential
    client: Credential
    folder: Path


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    authority = Authority()
    server = authority.issue(NAME, key=rsa.generate_private_key(65537, 2048))
    folder = tmp_path_factory.mktemp("keys")
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "chain.pem").write_bytes(server.chain_pem)
    (folder / "key.pem").write_bytes(server.key_pem)
    return Keys(authority, server, authority.client(), folder)


async def run(keys: Keys, port: int, kind: NegativeKind | None = None, **changes: Any) -> MeasurementResult:
    probe = TlsProbe(
        protocol="TLS", server_name=NAME, port=port, target=Addresses(("127.0.0.1",)), trust_pem=keys.authority.pem
    )
    changed = replace(probe, **changes)
    return await measure(NegativeProbe(kind, changed) if kind else changed, LOOPBACK, datetime.now(UTC))


@contextmanager
def s_server(keys: Keys, *options: str) -> Iterator[int]:
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", "chain.pem", "-cert_chain", "chain.pem"]
    # Without an open standard input the server hangs up on everybody.
    process = subprocess.Popen(
        [*command, "-key", "key.pem", *options],
        cwd=keys.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin
    assert process.stdout
    try:
        ready = re.compile(rb"ACCEPT 127\.0\.0\.1:(\d+)")
        port = next(int(found[1]) for line in process.stdout if (found := ready.match(line)))
        yield port
    finally:
        process.kill()
        process.communicate()


ANCIENT = ("-cipher", "ALL:@SECLEVEL=0")
MOODS: list[tuple[tuple[str, ...], dict[str, Any], Reason, dict[str, str]]] = [
    (("-tls1_3",), {}, Reason.VERIFIED, {"protocolVersion": "TLSv1.3"}),
    (("-tls1_2",), {}, Reason.VERIFIED, {"protocolVersion": "TLSv1.2"}),
    (("-tls1_2",), {"minimum_version": TlsVersion.V1_3}, Reason.VERSION_TOO_LOW, {"protocolVersion": "TLSv1.2"}),
    (("-tls1_1", *ANCIENT), {}, Reason.VERSION_TOO_LOW, {"protocolVersion": "TLSv1.1"}),
    (("-tls1", *ANCIENT), {}, Reason.VERSION_TOO_LOW, {"protocolVersion": "TLSv1"}),
    (("-tls1_2", "-cipher", "AES128-SHA256"), {"cipher_suites": (ECDHE_128,)}, Reason.CIPHER_NOT_ALLOWED, {}),
    (("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"), {"cipher_suites": (ECDHE_128,)}, Reason.VERIFIED, {}),
    (("-tls1_2", "-cipher", "RC4-SHA:NULL-SHA256:@SECLEVEL=0"), {}, Reason.HANDSHAKE_FAILED, {}),
    (
        ("-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"),
        {},
        Reason.VERIFIED,
        {"cipher": "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
    ),
    (("-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256"), {}, Reason.HANDSHAKE_FAILED, {}),
    (("-alpn", "h2"), {"alpn": ("h2", "http/1.1")}, Reason.VERIFIED, {"alpn": "h2"}),
    (("-groups", "P-521"), {}, Reason.VERIFIED, {}),
    (("-no_ticket", "-tls1_3"), {}, Reason.VERIFIED, {}),
    (("-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem"), {}, Reason.CLIENT_CERTIFICATE_REQUIRED, {}),
    (
        ("-tls1_2", "-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem"),
        {},
        Reason.CLIENT_CERTIFICATE_REQUIRED,
        {},
    ),
    (("-verify", "1", "-CAfile", "ca.pem"), {}, Reason.VERIFIED, {"clientCertificateRequested": "true"}),
    (("-client_sigalgs", "ECDSA+SHA256"), {"server_name": "other.svc"}, Reason.NAME_MISMATCH, {}),
]


@pytest.mark.parametrize(("options", "changes", "reason", "facts"), MOODS, ids=lambda value: str(value)[:60])
async def test_openssl_in_every_mood_is_judged_rightly(
    keys: Keys, options: tuple[str, ...], changes: dict[str, Any], reason: Reason, facts: dict[str, str]
) -> None:
    with s_server(keys, *options) as port:
        result = await run(keys, port, **changes)
    assert result.reason is reason
    assert facts.items() <= dict(result.facts).items()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_openssl_judges_the_client_certificate(keys: Keys, version: str) -> None:
    with s_server(keys, version, "-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem") as port:
        good = await run(keys, port, client_certificate=keys.client.for_client())
        foreign = await run(keys, port, client_certificate=Authority().client().for_client())
        anonymous = await run(keys, port, ANONYMOUS)
    assert [one.reason for one in (good, foreign, anonymous)] == [
        Reason.VERIFIED,
        Reason.CLIENT_CERTIFICATE_REJECTED,
        Reason.ANONYMOUS_REFUSED,
    ]


OLD_VERSIONS = [
    (("-tls1", *ANCIENT), TlsVersion.V1_2, "TLSv1"),
    (("-tls1_1", *ANCIENT), TlsVersion.V1_2, "TLSv1.1"),
    (("-cipher", "ALL:@SECLEVEL=0"), TlsVersion.V1_2, "TLSv1.1"),
    (("-cipher", "AES128-SHA:@SECLEVEL=0"), TlsVersion.V1_2, "TLSv1.1"),
    (("-min_protocol", "TLSv1.2"), TlsVersion.V1_2, None),
    (("-tls1_3",), TlsVersion.V1_2, None),
    (("-tls1_2",), TlsVersion.V1_3, "TLSv1.2"),
    (("-tls1_2", "-cipher", "DHE-RSA-AES128-SHA"), TlsVersion.V1_3, "TLSv1.2"),
    (("-tls1_3",), TlsVersion.V1_3, None),
]


@pytest.mark.parametrize(("options", "minimum", "accepted"), OLD_VERSIONS, ids=lambda value: str(value)[:60])
async def test_openssl_accepts_or_refuses_old_versions(
    keys: Keys, options: tuple[str, ...], minimum: TlsVersion, accepted: str | None
) -> None:
    with s_server(keys, *options) as port:
        result = await run(keys, port, OLD, minimum_version=minimum)
    assert result.result is (Result.FAILS if accepted else Result.HOLDS)
    assert result.facts.get("protocolVersion") == accepted


async def test_openssl_refuses_plaintext(keys: Keys) -> None:
    with s_server(keys) as port:
        assert (await run(keys, port, PLAINTEXT)).reason is Reason.PLAINTEXT_REFUSED


async def test_a_diffie_hellman_group_of_1024_bits_does_not_hold(keys: Keys) -> None:
    (keys.folder / "dh.pem").write_text(DH_1024)
    options = ("-tls1_2", "-dhparam", "dh.pem", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")
    with s_server(keys, *options) as port:
        result = await run(keys, port)
    assert (result.result, "DH_KEY_TOO_SMALL" in result.message) == (Result.FAILS, True)


def test_every_cipher_suite_bears_the_names_that_openssl_gives_it() -> None:
    listed = subprocess.run(
        ["openssl", "ciphers", "-stdname", "ALL:@SECLEVEL=0"], check=True, capture_output=True, text=True
    ).stdout
    names = {iana: openssl for iana, _, openssl, *_ in (line.split() for line in listed.splitlines())}
    assert {suite: names.get(suite) for suite in OPENSSL_NAMES} == OPENSSL_NAMES
    # No suite that both sides know of these families is missing in the table.
    family = re.compile(r"TLS_((ECDHE_(ECDSA|RSA)|DHE_RSA|RSA)_WITH_)?(AES_\d+_(GCM|CBC)|CHACHA20)[A-Z0-9_]+")
    assert {name for name in names if family.fullmatch(name)} == set(OPENSSL_NAMES)


NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log info;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  ssl_certificate {keys}/chain.pem; ssl_certificate_key {keys}/key.pem; ssl_client_certificate {keys}/ca.pem;
  server {{ listen 127.0.0.1:{web} ssl http2; ssl_protocols TLSv1.2 TLSv1.3; return 204; }}
  server {{ listen 127.0.0.1:{mutual} ssl; ssl_verify_client on; return 204; }}
  server {{ listen 127.0.0.1:{asking} ssl; ssl_verify_client optional; return 204; }}
  server {{ listen 127.0.0.1:{forbidding} ssl; ssl_verify_client optional; return 403; }}
  server {{
    listen 127.0.0.1:{choosing} ssl; ssl_verify_client optional;
    if ($ssl_client_verify != SUCCESS) {{ return 403; }}
    return 204;
  }}
  server {{
    listen 127.0.0.1:{dropping} ssl; ssl_verify_client optional;
    if ($ssl_client_verify != SUCCESS) {{ return 444; }}
    return 204;
  }}
  server {{ listen 127.0.0.1:{old} ssl; ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0; return 204; }}
  server {{ listen 127.0.0.1:{turning} ssl; error_page 497 301 =301 https://$host$request_uri; return 204; }}
  server {{ listen 127.0.0.1:{plain}; return 204; }}
}}
"""


@pytest.fixture(scope="module")
def nginx(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    folder = tmp_path_factory.mktemp("nginx")
    ports = free_ports("web", "mutual", "asking", "forbidding", "choosing", "dropping", "old", "turning", "plain")
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, keys=keys.folder, **ports))
    process = subprocess.Popen(["nginx", "-p", folder, "-c", config], stderr=subprocess.PIPE)
    try:
        await_port(process, ports["plain"])
        yield ports
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)


def free_ports(*names: str) -> dict[str, int]:
    sockets = {name: socket.create_server(("127.0.0.1", 0)) for name in names}
    ports = {name: one.getsockname()[1] for name, one in sockets.items()}
    for one in sockets.values():
        one.close()
    return ports


def await_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            assert process.poll() is None, process.communicate()[1].decode()
            assert time.monotonic() < deadline, "nginx does not listen"
            time.sleep(0.01)
        else:
            return


async def test_nginx_proves_the_web_channel(keys: Keys, nginx: dict[str, int]) -> None:
    result = await run(
        keys, nginx["web"], protocol="HTTPS", alpn=("h2", "http/1.1"), expected_fingerprint=keys.server.fingerprint
    )
    assert (result.result, result.facts["alpn"]) == (Result.HOLDS, "h2")
    assert (await run(keys, nginx["web"], PLAINTEXT)).reason is Reason.PLAINTEXT_REFUSED
    assert (await run(keys, nginx["web"], OLD)).reason is Reason.OLD_VERSION_REFUSED
    assert (await run(keys, nginx["old"], OLD)).facts["protocolVersion"] == "TLSv1.1"


async def test_nginx_refuses_plaintext_by_an_answer_or_by_the_way_to_https(keys: Keys, nginx: dict[str, int]) -> None:
    assert (await run(keys, nginx["turning"], PLAINTEXT)).reason is Reason.PLAINTEXT_REFUSED
    assert (await run(keys, nginx["plain"], PLAINTEXT)).reason is Reason.PLAINTEXT_ACCEPTED
    assert (await run(keys, nginx["plain"])).reason is Reason.PLAINTEXT_ANSWERED


async def test_nginx_judges_client_certificates_only_after_the_handshake(keys: Keys, nginx: dict[str, int]) -> None:
    async def https(port: str, kind: NegativeKind | None = None, client: Credential | None = None) -> Reason:
        presented = client.for_client() if client else None
        result = await run(keys, nginx[port], kind, protocol="HTTPS", client_certificate=presented)
        return result.reason

    assert await https("mutual", client=keys.client) is Reason.VERIFIED
    assert await https("mutual", client=Authority().client()) is Reason.CLIENT_CERTIFICATE_REJECTED
    assert await https("mutual", ANONYMOUS, keys.client) is Reason.ANONYMOUS_REFUSED
    assert await https("mutual", ANONYMOUS) is Reason.REFUSAL_UNPROVEN
    assert await https("asking", ANONYMOUS, keys.client) is Reason.ANONYMOUS_ACCEPTED
    assert await https("forbidding", ANONYMOUS, keys.client) is Reason.REFUSAL_UNPROVEN
    assert await https("choosing", ANONYMOUS, keys.client) is Reason.ANONYMOUS_REFUSED
    assert await https("dropping", ANONYMOUS, keys.client) is Reason.ANONYMOUS_REFUSED
    assert await https("web", ANONYMOUS, keys.client) is Reason.ANONYMOUS_ACCEPTED
