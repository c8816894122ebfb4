from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from breakwater.kernel.durable import measurement_status
from breakwater.kernel.measurement import Measurement, Result
from breakwater.kernel.plan import Plan
from breakwater.kernel.references import POD, Ref
from tests.unit.scenery import (
    AUTHORITY_REF,
    CHANNEL,
    CHANNEL_REF,
    CLIENT,
    GENERATED,
    NOW,
    REFERENCE,
    ROOT,
    foreign_root,
    plan,
    settle,
    settled,
    world,
)
from tests.unit.worlds import MemoryWorld, condition, message

MINUTE = timedelta(minutes=1)
WEB: dict[str, Any] = {"protocol": "HTTPS", "endpoint": {"host": "db.bpm.svc", "port": 443}}
GOOD = {"Handshake": "Verified", "Plaintext": "PlaintextRefused", "OldVersion": "OldVersionRefused"}


def service(*ports: tuple[int, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "db", "namespace": "bpm"},
        "spec": {"ports": [{"port": number, "name": name} for number, name in ports or ((443, "web"),)]},
    }


def endpoint_slice(addresses: Mapping[str, str], port: str = "web") -> dict[str, Any]:
    endpoints = [
        {"addresses": [address], "targetRef": {"kind": "Pod", "name": pod}} for pod, address in addresses.items()
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "db-1", "namespace": "bpm", "labels": {"kubernetes.io/service-name": "db"}},
        "endpoints": endpoints,
        "ports": [{"name": port, "port": 8443}],
    }


def pod(name: str, address: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "bpm"},
        "spec": spec,
        "status": {"phase": "Running", "podIPs": [{"ip": address}]},
    }


def web(authority: dict[str, Any] | None = None, **spec: Any) -> MemoryWorld:
    """A web server with one pod, everything made."""
    made = settled(WEB | spec, authority)
    for manifest in (service(), endpoint_slice({"db-0": "10.1.0.1"}), pod("db-0", "10.1.0.1")):
        made.put(manifest, by="somebody")
    return made


def measured(made: MemoryWorld, name: str, result: Result, at: datetime = NOW, reason: str = "") -> Measurement:
    """As if it had been measured just so."""
    measure = next(measure for measure in plan(made).measures if measure.name == name)
    return Measurement(
        name, measure.digest, at, at + measure.validity, result, reason or GOOD.get(name, "Any"), "Said."
    )


def found(made: MemoryWorld, *measurements: Measurement) -> Plan:
    for measurement in measurements:
        made.state(("measured", CHANNEL, measurement.name), measurement)
    return plan(made)


def all_good(made: MemoryWorld) -> list[Measurement]:
    return [measured(made, measure.name, Result.HOLDS) for measure in plan(made).measures]


def remember(made: MemoryWorld, measurement: Measurement) -> None:
    """Write it into status, as a process before this one did."""
    status = {"measurements": [measurement_status(measurement)]}
    made.edit(
        CHANNEL_REF, lambda manifest: manifest.update(status=manifest.get("status", {}) | status), by="breakwater"
    )


HOLDS, FAILS = Result.HOLDS, Result.FAILS
# When status and the live measurement say it (None: there is none), what they say, and what Encrypted comes to.
CLOCKS: dict[str, tuple[tuple[Result, timedelta] | None, tuple[Result, timedelta] | None, str]] = {
    "the live one fails, status of a clock a day ahead holds": ((HOLDS, 1440 * MINUTE), (FAILS, 0 * MINUTE), "False"),
    "the live one fails, status of a little ahead holds": ((HOLDS, MINUTE / 2), (FAILS, 0 * MINUTE), "False"),
    "the live one fails, status is younger and holds": ((HOLDS, -MINUTE), (FAILS, -2 * MINUTE), "False"),
    "the live one holds, status failed": ((FAILS, -MINUTE), (HOLDS, 0 * MINUTE), "True"),
    "only status, and it lies ahead": ((HOLDS, 1440 * MINUTE), None, "Unknown"),
    "only the live one, and it lies ahead": (None, (HOLDS, 1440 * MINUTE), "Unknown"),
    "status holds, the live one fails and lies ahead": ((HOLDS, -MINUTE), (FAILS, 1440 * MINUTE), "Unknown"),
    "both lie a little ahead": ((HOLDS, MINUTE / 2), (HOLDS, MINUTE / 2), "True"),
    "only status": ((HOLDS, -MINUTE), None, "True"),
}


@pytest.mark.parametrize("sentence", CLOCKS)
def test_after_a_clock_jump_only_what_was_measured_by_now_counts_and_the_live_word_wins(sentence: str) -> None:
    written, live, status = CLOCKS[sentence]
    made = web()
    if written is not None:
        remember(made, measured(made, "Handshake", written[0], NOW + written[1]))
    seen = [measured(made, "Handshake", live[0], NOW + live[1])] if live else []
    done = found(made, *seen)
    assert condition(done, "Encrypted")[0] == status
    assert done.due is not None


@pytest.mark.parametrize("protocol", ["HTTPS", "PostgreSQL", "SMTP", "LDAP"])
def test_an_issued_certificate_that_trust_does_not_cover_is_no_encryption_whatever_can_be_measured(
    protocol: str,
) -> None:
    server = {"secretName": "db-tls", "authorityRef": REFERENCE, "dnsNames": ["db.bpm.svc"]}
    trust = {"bundleRef": {"name": "theirs"}}
    made = world({"protocol": protocol, "encryption": {"trust": trust, "serverCertificate": server}})
    bundle = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": "bpm"}}
    made.put({**bundle, "data": {"ca.crt": foreign_root().certificate_pem.decode()}}, by="somebody")
    done = settle(made)
    assert condition(done, "Encrypted") == ("False", "UnknownIssuer")
    assert "spec.encryption.serverCertificate.authorityRef" in message(done, "Encrypted")
    assert "spec.encryption.trust" in message(done, "Encrypted")


PARTS = {
    "its authority is gone": (lambda made: made.drop(AUTHORITY_REF), "spec.encryption.serverCertificate.authorityRef"),
    "its grant is withdrawn": (
        lambda made: made.edit(AUTHORITY_REF, lambda manifest: manifest["spec"].update(usableFrom=[]), by="user"),
        "spec.encryption.serverCertificate.dnsNames",
    ),
}


@pytest.mark.parametrize("sentence", PARTS)
def test_why_nothing_is_proven_is_said_by_the_certificates_own_part(sentence: str) -> None:
    change, field = PARTS[sentence]
    bundle = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": "bpm"}}
    server = {"secretName": "db-tls", "authorityRef": REFERENCE, "dnsNames": ["db.bpm.svc"]}
    made = world(WEB | {"encryption": {"trust": {"bundleRef": {"name": "theirs"}}, "serverCertificate": server}})
    made.put({**bundle, "data": {"ca.crt": made.data(ROOT)["tls.crt"].decode()}}, by="somebody")
    settle(made)
    change(made)
    done = plan(made)
    assert condition(done, "Proven")[1] != "CertificatePending"
    assert field in message(done, "Proven")


@pytest.mark.parametrize("name", ["Plaintext", "OldVersion"])
def test_what_must_be_refused_and_is_not_makes_a_channel_unencrypted(name: str) -> None:
    made = web()
    assert condition(found(made, *all_good(made)), "Encrypted") == ("True", "Verified")
    assert condition(found(made, measured(made, name, FAILS, reason="Accepted")), "Encrypted") == ("False", "Accepted")


@pytest.mark.parametrize(
    ("authentication", "expected"),
    [
        (CLIENT, ("True", "AnonymousRefused")),
        ({**CLIENT, **GENERATED}, ("Unknown", "PasswordNotMeasured")),
        (GENERATED, ("Unknown", "NotMeasured")),
    ],
)
def test_a_declared_password_that_nobody_tried_is_not_shown_as_holding(
    authentication: dict[str, Any], expected: tuple[str, str]
) -> None:
    made = web(authentication=authentication)
    proven = [replace(item, reason="AnonymousRefused") for item in all_good(made)]
    done = found(made, *proven)
    assert condition(done, "Authenticated") == expected
    assert ("assword" in message(done, "Authenticated")) == ("password" in authentication)


# Lifetime of the server's certificate, minutes since its issue, and minutes from then until when the server may reload.
RELOADS: list[tuple[str, float, float | None]] = [
    ("2160h", 0, 15),
    ("2160h", 14, 15),
    ("2160h", 15, None),
    ("10h", 0, 15),
    ("1h", 0, 8),
    ("1h", 9, None),
]


@pytest.mark.parametrize(("lifetime", "age", "until"), RELOADS)
def test_a_new_certificate_may_be_missing_at_the_server_for_a_while_and_no_longer(
    lifetime: str, age: float, until: float | None
) -> None:
    made = web(authority={"leafLifetime": {"default": lifetime}})
    handshake = next(measure for measure in plan(made, NOW + age * MINUTE).measures if measure.name == "Handshake")
    assert handshake.probe.expected_fingerprint
    assert handshake.probe.reload_until == (NOW + until * MINUTE if until else None)


def test_when_the_time_to_reload_is_over_the_server_is_asked_again_at_once() -> None:
    made = web()
    done = found(made, *all_good(made), measured(made, "Handshake", Result.UNKNOWN, reason="ReloadPending"))
    assert condition(done, "Encrypted") == ("Unknown", "ReloadPending")
    assert done.due == NOW + 15 * MINUTE
    before, after = done.measures, plan(made, NOW + 15 * MINUTE).measures
    assert (before[0] != after[0], before[0].digest == after[0].digest) == (True, True)


HIDDEN = Ref(POD, "bpm", "db-1")


def _target(made: MemoryWorld) -> Any:
    return next(measure.probe.target for measure in plan(made).measures)


def test_a_server_of_many_pods_is_measured_in_part_and_the_number_of_all_is_known() -> None:
    made = web()
    pods = {f"db-{number}": f"10.1.1.{number}" for number in range(40)}
    for name, address in pods.items():
        made.put(pod(name, address), by="somebody")
    made.put(endpoint_slice(pods), by="somebody")
    assert (len(_target(made).ips), _target(made).total) == (16, 40)


# What stands behind the Service, and what Proven says of it.
NOWHERE: dict[str, tuple[list[dict[str, Any]], str]] = {
    "no slice has an endpoint": ([endpoint_slice({})], "has no ready pods in namespace bpm; start them"),
    "the pod is on the network of its node": ([pod("db-0", "10.1.0.1", hostNetwork=True)], "hostNetwork"),
    "the slice lacks the port": ([endpoint_slice({"db-0": "10.1.0.1"}, port="other")], "targetPort"),
}


@pytest.mark.parametrize("sentence", NOWHERE)
def test_why_there_is_nothing_to_connect_to_is_said_with_its_own_remedy(sentence: str) -> None:
    manifests, cause = NOWHERE[sentence]
    made = web()
    for manifest in manifests:
        made.put(manifest, by="somebody")
    done = plan(made)
    assert condition(done, "Proven") == ("Unknown", "NoEndpoints")
    assert cause in message(done, "Proven")


def test_pods_that_nobody_may_read_are_not_taken_for_pods_that_are_not_ready() -> None:
    made = web()
    made.put(endpoint_slice({"db-0": "10.1.0.1", "db-1": "10.1.0.2"}), by="somebody")
    made.obscure(HIDDEN, "Forbidden")
    assert condition(plan(made), "Proven") == ("Unknown", "Forbidden")


@pytest.mark.parametrize(("protocol", "offered"), [("HTTPS", ("h2", "http/1.1")), ("TLS", ())])
def test_a_web_server_is_offered_what_clients_of_the_web_offer(protocol: str, offered: tuple[str, ...]) -> None:
    assert plan(web(protocol=protocol)).measures[0].probe.alpn == offered
