from __future__ import annotations

import os
import pickle
import string
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from breakwater.kernel.measurement import Result
from breakwater.kernel.sealed import Sealed
from breakwater.probes import NotMeasured, probe_for
from breakwater.probes.address import Why
from breakwater.probes.reasons import VOCABULARY, Reason, conclude
from breakwater.probes.request import (
    Addresses,
    ClientCertificate,
    Hostname,
    NegativeKind,
    NegativeProbe,
    TlsProbe,
    TlsVersion,
    is_dns_name,
)

PROBE = TlsProbe(
    protocol="HTTPS",
    server_name="web.bpm.svc",
    port=443,
    target=Addresses(("10.244.1.5", "10.244.1.6"), "web.bpm.svc"),
    trust_pem=b"PEM",
    client_certificate=ClientCertificate(b"CHAIN", Sealed(b"canary-key")),
)


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": "TLS"},
        {"server_name": "other"},
        {"port": 8443},
        {"target": Addresses(("10.244.1.5",), "other.bpm.svc")},
        {"target": Hostname("web.bpm.svc")},
        {"trust_pem": b"OTHER"},
        {"trust_pem": None},
        {"minimum_version": TlsVersion.V1_3},
        {"cipher_suites": ("TLS_AES_128_GCM_SHA256",)},
        {"client_certificate": None},
        {"client_certificate": ClientCertificate(b"RENEWED", Sealed(b"canary-key"))},
        {"alpn": ("h2",)},
        {"expected_fingerprint": "0" * 64},
    ],
)
def test_what_changes_the_question_changes_the_digest(change: dict[str, Any]) -> None:
    assert replace(PROBE, **change).digest() != PROBE.digest()


@pytest.mark.parametrize(
    "change",
    [
        {"timeout": 3.0},
        {"reload_until": datetime(2026, 6, 1, tzinfo=UTC)},
        {"target": Addresses(("10.244.7.7",), "web.bpm.svc")},
        {"server_name": "WEB.bpm.svc"},
        {"client_certificate": ClientCertificate(b"CHAIN", Sealed(b"other"))},
    ],
)
def test_what_does_not_change_the_question_keeps_the_digest(change: dict[str, Any]) -> None:
    assert replace(PROBE, **change).digest() == PROBE.digest()


def test_the_order_of_cipher_suites_is_no_change_and_the_order_of_alpn_is() -> None:
    suites = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384")
    assert replace(PROBE, cipher_suites=suites).digest() == replace(PROBE, cipher_suites=suites[::-1]).digest()
    assert replace(PROBE, alpn=("h2", "http/1.1")).digest() != replace(PROBE, alpn=("http/1.1", "h2")).digest()


def test_the_digest_is_the_same_in_every_process_so_that_a_restart_measures_nothing_anew() -> None:
    code = "from tests.unit.probes.test_probe_request import PROBE; print(PROBE.digest())"
    elsewhere = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    )
    assert elsewhere.stdout.strip() == PROBE.digest()
    # Pinned: another value in a new release would void every stored measurement.
    assert PROBE.digest() == "5b3d9c7937a75928d45f6014b9212fb9"


def test_each_kind_of_negative_probe_is_a_question_of_its_own() -> None:
    digests = {NegativeProbe(kind, PROBE).digest() for kind in NegativeKind} | {PROBE.digest()}
    assert len(digests) == len(NegativeKind) + 1


@pytest.mark.parametrize("show", [repr, str, "{}".format])
def test_no_secret_is_shown(show: Callable[[object], str]) -> None:
    for probe in (PROBE, NegativeProbe(NegativeKind.PLAINTEXT, PROBE)):
        assert "canary" not in show(probe)
    with pytest.raises(TypeError):
        pickle.dumps(PROBE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"server_name": "*.bpm.svc"}, "endpoint.serverName"),
        ({"server_name": "web.bpm.svc."}, "endpoint.serverName"),
        ({"server_name": "web\r\nHost: other"}, "endpoint.serverName"),
        ({"server_name": "fe80::1%eth0"}, "endpoint.serverName"),
        ({"server_name": "bücher.example"}, "endpoint.serverName"),
        ({"server_name": ""}, "endpoint.serverName"),
        ({"port": 0}, "endpoint.port"),
        ({"port": 65536}, "endpoint.port"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": 61}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"cipher_suites": ("RC4-MD5",)}, "IANA names"),
        ({"cipher_suites": ("ALL:@SECLEVEL=0",)}, "IANA names"),
        ({"alpn": ("h2,http/1.1",)}, "alpn"),
        ({"expected_fingerprint": "AB:CD"}, "lower-case hex"),
    ],
)
def test_a_probe_that_makes_no_sense_names_the_field_and_the_remedy(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PROBE, **change)


def test_a_target_has_addresses_or_a_name() -> None:
    for ips in ((), ("10.0.0.1",) * 17):
        with pytest.raises(ValueError, match="1 to 16"):
            Addresses(ips)
    with pytest.raises(ValueError, match="DNS name"):
        Hostname("web.bpm.svc.")


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        *((good, True) for good in ("a", "a-b.c_d.example", "127.0.0.1", "a" * 63, ".".join(["a" * 50] * 4))),
        *(
            (bad, False)
            for bad in ("", "-a", "a-", "a..b", ".a", "a b", "a/b", "a\n", "a" * 64, ".".join(["a" * 50] * 5))
        ),
    ],
)
def test_dns_names_are_told_from_everything_else(name: str, valid: bool) -> None:
    assert is_dns_name(name) is valid


PROTOCOLS = ["HTTPS", "SMTP", "PostgreSQL", "MySQL", "SQLServer", "Oracle", "LDAP", "TLS"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("security", ["Implicit", "StartTLS"])
def test_https_and_tls_are_measured_and_the_rest_says_so(protocol: str, security: str) -> None:
    found = probe_for(protocol, security)
    if security == "Implicit" and protocol in {"HTTPS", "TLS"}:
        assert found == "Tls"
        return
    assert isinstance(found, NotMeasured)
    assert (found.result.result, found.result.reason) == (Result.UNKNOWN, Reason.NOT_MEASURED)
    assert f"{protocol} with {security}" in found.result.message


def test_every_reason_is_a_word_with_a_sentence_and_every_failure_says_what_to_do() -> None:
    assert set(VOCABULARY) == set(Reason)
    for reason, entry in VOCABULARY.items():
        assert reason.isalnum()
        assert entry.template.endswith((".", "}."))
        assert entry.result is Result.HOLDS or entry.template.count(". ") or ";" in entry.template, reason


def test_messages_hold_harmless_values_and_texts_of_ours_only() -> None:
    assert "a loopback address" in conclude(Reason.REFUSED, address="127.0.0.1", why=Why.LOOPBACK, entry="x").message
    for evil in ("<script>", "a b", "{name}", "line\nbreak", "x" * 254):
        with pytest.raises(ValueError, match="detail"):
            conclude(Reason.HANDSHAKE_FAILED, detail=evil)


def test_the_templates_ask_for_nothing_but_plain_fields() -> None:
    fields = {
        field
        for entry in VOCABULARY.values()
        for _, field, spec, _ in string.Formatter().parse(entry.template)
        if field and not spec
    }
    assert all(field.isidentifier() for field in fields)
