from __future__ import annotations

import errno
import os
import ssl
import stat
import tempfile
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from breakwater.kernel.measurement import Result
from breakwater.kernel.sealed import Sealed
from breakwater.probes.reasons import Reason
from breakwater.probes.request import Addresses, ClientCertificate, TlsVersion
from tests.unit.probes.authority import DAY, NOW, Authority, Credential
from tests.unit.probes.conftest import NAME, Run
from tests.unit.probes.servers import CERTIFICATE, CLIENT_HELLO, server_context, tls_server

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [V12, V13])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@VERSIONS
async def test_a_verified_server_holds_with_what_the_handshake_showed(
    authority: Authority, run: Run, version: ssl.TLSVersion
) -> None:
    credential = authority.issue(NAME)
    context = server_context(credential, version=version)
    context.set_alpn_protocols(["http/1.1"])
    async with tls_server(context) as server:
        result = await run(port=server.port, alpn=("h2", "http/1.1"), expected_fingerprint=credential.fingerprint)
    assert (result.result, result.reason) == (Result.HOLDS, Reason.VERIFIED)
    leaf = credential.chain[0]
    assert result.facts == {
        "address": "127.0.0.1",
        "name": NAME,
        "protocolVersion": {V12: "TLSv1.2", V13: "TLSv1.3"}[version],
        "cipher": {V12: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", V13: "TLS_AES_256_GCM_SHA384"}[version],
        "alpn": "http/1.1",
        "chainLength": "1",
        "chainVerified": "true",
        "clientCertificateRequested": "false",
        "fingerprint": credential.fingerprint,
        "serial": f"{leaf.serial_number:x}",
        "notBefore": leaf.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "notAfter": leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    assert server.heard[0].server_name == NAME
    assert server.heard[0].data == b""


async def test_an_address_as_server_name_is_verified_against_the_addresses_of_the_certificate(
    authority: Authority, run: Run
) -> None:
    async with tls_server(server_context(authority.issue("127.0.0.1"))) as server:
        assert (await run(port=server.port, server_name="127.0.0.1")).reason is Reason.VERIFIED
        assert (await run(port=server.port, server_name="127.0.0.2")).reason is Reason.NAME_MISMATCH


async def test_a_chain_over_an_intermediate_is_verified_and_a_missing_intermediate_is_not(
    authority: Authority, run: Run
) -> None:
    credential = Authority(parent=authority).issue(NAME)
    async with tls_server(server_context(credential)) as server:
        result = await run(port=server.port)
        assert (result.reason, result.facts["chainLength"]) == (Reason.VERIFIED, "2")
    async with tls_server(server_context(Credential(credential.key, credential.chain[:1]))) as server:
        assert (await run(port=server.port)).reason is Reason.UNTRUSTED_CHAIN


async def test_a_bundle_that_holds_only_an_intermediate_is_trusted(authority: Authority, run: Run) -> None:
    intermediate = Authority(parent=authority)
    async with tls_server(server_context(intermediate.issue(NAME))) as server:
        assert (await run(port=server.port, trust_pem=intermediate.pem)).reason is Reason.VERIFIED


def weak(authority: Authority) -> Credential:
    return authority.issue(NAME, key=rsa.generate_private_key(65537, 1024))  # noqa: S505 - what must not pass


BAD_CERTIFICATES: dict[str, tuple[Callable[[Authority], Credential], Reason]] = {
    "expired": (lambda a: a.issue(NAME, not_before=NOW - 9 * DAY, not_after=NOW - DAY), Reason.CERTIFICATE_EXPIRED),
    "of the future": (lambda a: a.issue(NAME, not_before=NOW + DAY), Reason.CERTIFICATE_NOT_YET_VALID),
    "of a stranger": (lambda _: Authority().issue(NAME), Reason.UNTRUSTED_CHAIN),
    "with another name": (lambda a: a.issue("other.bpm.svc"), Reason.NAME_MISMATCH),
    "with the name as common name only": (lambda a: a.issue(common_name=NAME), Reason.NAME_MISMATCH),
    "with a wildcard over two labels": (lambda a: a.issue("*.svc"), Reason.NAME_MISMATCH),
    "for clients": (lambda a: a.issue(NAME, usage=ExtendedKeyUsageOID.CLIENT_AUTH), Reason.WRONG_USAGE),
    "with a weak key": (weak, Reason.WEAK_CERTIFICATE),
    "under an expired authority": (
        lambda a: Authority(parent=a, not_after=NOW - DAY).issue(NAME),
        Reason.CHAIN_EXPIRED,
    ),
    "outside of name constraints": (
        lambda a: Authority(parent=a, permitted="example.com").issue(NAME),
        Reason.NAME_CONSTRAINT_VIOLATED,
    ),
}


@VERSIONS
@pytest.mark.parametrize("case", BAD_CERTIFICATES)
async def test_a_certificate_that_does_not_prove_the_server_fails_with_its_own_reason_and_is_shown(
    authority: Authority, run: Run, case: str, version: ssl.TLSVersion
) -> None:
    make, reason = BAD_CERTIFICATES[case]
    credential = make(authority)
    context = server_context(credential, version=version)
    async with tls_server(context) as server:
        result = await run(port=server.port)
    assert (result.result, result.reason) == (Result.FAILS, reason)
    assert result.facts["fingerprint"] == credential.fingerprint
    assert result.facts["chainVerified"] == "false"
    assert all(heard.data == b"" and CERTIFICATE not in heard.messages for heard in server.heard)


async def test_a_server_that_still_shows_the_former_certificate_fails_though_it_verifies(
    authority: Authority, run: Run
) -> None:
    former, current = authority.issue(NAME), authority.issue(NAME)
    async with tls_server(server_context(former)) as server:
        result = await run(port=server.port, expected_fingerprint=current.fingerprint)
    assert (result.result, result.reason) == (Result.FAILS, Reason.WRONG_CERTIFICATE)
    assert (result.facts["fingerprint"], result.facts["chainVerified"]) == (former.fingerprint, "true")


@pytest.mark.parametrize(
    ("name", "until", "result", "reason"),
    [
        (NAME, DAY, Result.UNKNOWN, Reason.RELOAD_PENDING),
        (NAME, -DAY, Result.FAILS, Reason.WRONG_CERTIFICATE),
        ("other.bpm.svc", DAY, Result.FAILS, Reason.NAME_MISMATCH),
    ],
)
async def test_a_server_has_time_to_load_a_new_certificate_while_the_one_that_it_shows_is_good(
    authority: Authority, run: Run, name: str, until: timedelta, result: Result, reason: Reason
) -> None:
    current = authority.issue(NAME)
    async with tls_server(server_context(authority.issue(name))) as server:
        said = await run(port=server.port, expected_fingerprint=current.fingerprint, reload_until=NOW + until)
    assert (said.result, said.reason) == (result, reason)


async def test_a_server_below_the_minimum_version_fails_with_the_version_it_speaks(
    authority: Authority, run: Run
) -> None:
    async with tls_server(server_context(authority.issue(NAME), version=V12)) as server:
        result = await run(port=server.port, minimum_version=TlsVersion.V1_3)
    assert (result.result, result.reason) == (Result.FAILS, Reason.VERSION_TOO_LOW)
    assert result.facts["protocolVersion"] == "TLSv1.2"
    assert "TLSv1.3" in result.message


STRONG, OTHER = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"


@pytest.mark.parametrize(
    ("declared", "version", "reason"),
    [
        ((STRONG,), V12, Reason.VERIFIED),
        ((OTHER,), V12, Reason.CIPHER_NOT_ALLOWED),
        ((OTHER,), V13, Reason.VERIFIED),
        (("TLS_AES_256_GCM_SHA384",), V13, Reason.VERIFIED),
        (("TLS_AES_128_GCM_SHA256",), V13, Reason.CIPHER_NOT_ALLOWED),
        (("TLS_AES_128_GCM_SHA256",), V12, Reason.VERSION_TOO_LOW),
    ],
)
async def test_only_declared_cipher_suites_hold(
    authority: Authority, run: Run, declared: tuple[str, ...], version: ssl.TLSVersion, reason: Reason
) -> None:
    context = server_context(authority.issue(NAME), version=version)
    context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    async with tls_server(context) as server:
        result = await run(port=server.port, cipher_suites=declared)
    assert result.reason is reason


@VERSIONS
@pytest.mark.parametrize("protocol", ["HTTPS", "TLS"])
async def test_a_client_certificate_is_presented_to_a_verified_server(
    authority: Authority, run: Run, version: ssl.TLSVersion, protocol: str
) -> None:
    context = server_context(authority.issue(NAME), clients=authority, version=version)
    async with tls_server(context, OK) as server:
        client = authority.client()
        result = await run(port=server.port, protocol=protocol, client_certificate=client.for_client())
    assert (result.result, result.facts["clientCertificateRequested"]) == (Result.HOLDS, "true")
    assert CERTIFICATE in server.heard[0].messages
    assert client.der in server.heard[0].content
    assert (b"HEAD / HTTP/1.1" in server.heard[0].data) == (protocol == "HTTPS")


@VERSIONS
@pytest.mark.parametrize("case", ["with another name", "of a stranger", "expired"])
async def test_no_credential_and_no_data_reach_a_server_that_is_not_verified(
    authority: Authority, run: Run, version: ssl.TLSVersion, case: str
) -> None:
    context = server_context(BAD_CERTIFICATES[case][0](authority), clients=authority, version=version)
    async with tls_server(context, OK) as server:
        client = authority.client()
        result = await run(port=server.port, client_certificate=client.for_client())
        await server.all_closed()
    assert result.result is Result.FAILS
    # The same recorder hears certificate and request in the test above, where the server is verified.
    verifying, look = server.heard
    assert (verifying.messages, verifying.data) == ([CLIENT_HELLO], b"")
    assert client.der not in look.content
    assert look.data == b""


@VERSIONS
@pytest.mark.parametrize("protocol", ["HTTPS", "TLS"])
async def test_a_rejected_client_certificate_is_noticed_also_when_the_handshake_is_over(
    authority: Authority, run: Run, version: ssl.TLSVersion, protocol: str
) -> None:
    context = server_context(authority.issue(NAME), clients=authority, version=version)
    for client in (Authority().client(), authority.client(not_before=NOW - 9 * DAY, not_after=NOW - DAY)):
        async with tls_server(context, OK) as server:
            result = await run(port=server.port, protocol=protocol, client_certificate=client.for_client())
        assert (result.result, result.reason) == (Result.FAILS, Reason.CLIENT_CERTIFICATE_REJECTED)


@VERSIONS
async def test_a_server_that_demands_an_undeclared_client_certificate_fails(
    authority: Authority, run: Run, version: ssl.TLSVersion
) -> None:
    context = server_context(authority.issue(NAME), clients=authority, version=version)
    async with tls_server(context, OK) as server:
        result = await run(port=server.port)
    assert (result.result, result.reason) == (Result.FAILS, Reason.CLIENT_CERTIFICATE_REQUIRED)


@VERSIONS
async def test_a_server_that_merely_asks_for_a_client_certificate_holds_without_one(
    authority: Authority, run: Run, version: ssl.TLSVersion
) -> None:
    context = server_context(authority.issue(NAME), clients=authority, demand=ssl.CERT_OPTIONAL, version=version)
    async with tls_server(context) as server:
        result = await run(port=server.port)
    assert (result.result, result.facts["clientCertificateRequested"]) == (Result.HOLDS, "true")
    assert server.heard[0].data == b""


@pytest.mark.parametrize("status", [400, 495, 496])
async def test_an_http_answer_can_reject_the_client_certificate(authority: Authority, run: Run, status: int) -> None:
    context = server_context(authority.issue(NAME), clients=authority, demand=ssl.CERT_OPTIONAL)
    async with tls_server(context, b"HTTP/1.1 %d No\r\n\r\n" % status) as server:
        result = await run(port=server.port, client_certificate=authority.client().for_client())
    assert (result.result, result.reason) == (Result.FAILS, Reason.CLIENT_CERTIFICATE_REJECTED)
    assert f"HTTP_{status}" in result.message


async def test_without_the_debugging_hook_of_ssl_only_a_fact_is_missing(
    authority: Authority, foreign: Authority, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("breakwater.probes.tls._watch", lambda *_: False)
    context = server_context(authority.issue(NAME), clients=authority, version=V13)
    async with tls_server(context) as server:
        rejected = await run(port=server.port, protocol="TLS", client_certificate=foreign.client().for_client())
        accepted = await run(port=server.port, protocol="TLS", client_certificate=authority.client().for_client())
    assert rejected.reason is Reason.CLIENT_CERTIFICATE_REJECTED
    assert accepted.reason is Reason.VERIFIED
    assert "clientCertificateRequested" not in accepted.facts


@pytest.mark.parametrize("pem", [b"", b"\xff", b"not a certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
async def test_an_unreadable_trust_bundle_trusts_nobody_and_connects_to_nobody(
    authority: Authority, run: Run, pem: bytes
) -> None:
    async with tls_server(server_context(authority.issue(NAME))) as server:
        result = await run(port=server.port, trust_pem=pem)
    assert (result.result, result.reason) == (Result.UNKNOWN, Reason.TRUST_UNREADABLE)
    assert server.heard == []


async def test_the_system_store_does_not_trust_a_private_authority(authority: Authority, run: Run) -> None:
    async with tls_server(server_context(authority.issue(NAME))) as server:
        assert (await run(port=server.port, trust_pem=None)).reason is Reason.UNTRUSTED_CHAIN


async def test_a_key_that_does_not_belong_to_its_certificate_is_unknown_and_stays_secret(
    authority: Authority, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = authority.client(), authority.client()
    result = await run(client_certificate=ClientCertificate(one.chain_pem, Sealed(other.key_pem)))
    assert (result.result, result.reason) == (Result.UNKNOWN, Reason.CLIENT_CERTIFICATE_UNREADABLE)
    assert other.key_pem.decode().splitlines()[1] not in repr(result) + caplog.text


async def test_an_encrypted_key_is_unknown_instead_of_a_question_on_the_terminal(
    authority: Authority, run: Run
) -> None:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - used here alone

    client = authority.client()
    encrypted = client.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    result = await run(client_certificate=ClientCertificate(client.chain_pem, Sealed(encrypted)))
    assert result.reason is Reason.CLIENT_CERTIFICATE_UNREADABLE


async def test_the_key_is_lent_to_openssl_without_a_file(
    authority: Authority, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_file(*_: object, **__: object) -> None:
        raise AssertionError("a key must not be written to a file where memfd exists")

    monkeypatch.setattr(tempfile, "mkstemp", no_file)
    async with tls_server(server_context(authority.issue(NAME), clients=authority), OK) as server:
        result = await run(port=server.port, client_certificate=authority.client().for_client())
    assert result.reason is Reason.VERIFIED


@pytest.mark.parametrize("readable", [True, False])
async def test_without_memfd_the_file_of_the_key_is_private_and_gone_at_once(
    authority: Authority, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, readable: bool
) -> None:
    def missing(*_: object) -> int:
        raise OSError(errno.ENOSYS, "no memfd here")

    modes = []

    def load(self: ssl.SSLContext, path: str, **_: object) -> None:
        modes.append(stat.S_IMODE(Path(path).stat().st_mode))
        assert Path(path).read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
        if not readable:
            raise ssl.SSLError(1, "quotes the key")

    monkeypatch.setattr(os, "memfd_create", missing)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load)
    result = await run(port=1, client_certificate=authority.client().for_client())
    assert result.reason is (Reason.CONNECT_FAILED if readable else Reason.CLIENT_CERTIFICATE_UNREADABLE)
    assert (modes, sorted(tmp_path.iterdir())) == ([0o600], [])  # noqa: ASYNC240 - an empty folder blocks nobody


async def test_a_probe_says_goodbye_so_that_servers_log_no_error(authority: Authority, run: Run) -> None:
    async with tls_server(server_context(authority.issue(NAME))) as server:
        await run(port=server.port)
        await server.all_closed()
    assert server.heard[0].said_goodbye


async def test_openssl_works_in_threads_so_that_a_costly_handshake_blocks_nobody(
    authority: Authority, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()

    def watch(context: ssl.SSLContext, _: set[int]) -> bool:
        def note(__: object, direction: str, *___: object) -> None:
            if direction == "read":
                threads.add(threading.current_thread())

        context._msg_callback = note  # type: ignore[attr-defined]
        return False

    monkeypatch.setattr("breakwater.probes.tls._watch", watch)
    async with tls_server(server_context(authority.issue(NAME))) as server:
        await run(port=server.port)
    assert threads
    assert threading.main_thread() not in threads


async def test_every_endpoint_of_a_service_must_hold(authority: Authority, run: Run) -> None:
    async with tls_server(server_context(authority.issue(NAME))) as server:
        # 127.0.0.9 is served by nobody: one of two replicas is away.
        result = await run(port=server.port, target=Addresses(("127.0.0.1", "127.0.0.9")))
    assert (result.result, result.reason) == (Result.UNKNOWN, Reason.CONNECT_FAILED)
    assert (result.facts["address"], result.facts["addresses"]) == ("127.0.0.9", "2")


@pytest.mark.parametrize(("total", "said"), [(0, None), (1, None), (40, "1 of 40")])
async def test_a_result_that_speaks_for_a_part_of_the_endpoints_says_of_how_many(
    authority: Authority, run: Run, total: int, said: str | None
) -> None:
    async with tls_server(server_context(authority.issue(NAME))) as server:
        result = await run(port=server.port, target=Addresses(("127.0.0.1",), "web.bpm.svc", total))
    assert result.facts.get("addresses") == said
    assert ("1 of 40 addresses" in result.message) == (said is not None)
