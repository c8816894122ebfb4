"""What is measured of a channel, and what the measurements say; kept durable in status without writing each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from breakwater.certificates.keypair import KeyPairView
from breakwater.channels.encryption import CipherProfile, CipherSuite
from breakwater.channels.part import Asked, Part
from breakwater.channels.protocols import Protocol
from breakwater.channels.target import NoDestination, destination
from breakwater.channels.trusted import Trusted
from breakwater.kernel.condition import Condition, false, true, unknown
from breakwater.kernel.durable import durable, measurement_status, next_turn
from breakwater.kernel.measurement import Measure, Measurement, Result
from breakwater.pki import CertificateFacts
from breakwater.probes import NotMeasured, https, probe_for
from breakwater.probes.reasons import Reason
from breakwater.probes.request import ClientCertificate, NegativeKind, NegativeProbe, TlsProbe

HANDSHAKE = "Handshake"
LONGEST_RELOAD = timedelta(minutes=20)
"""From the notBefore of a new certificate until its server must show it. Up to 5 minutes of it are back-dating; kubelet
takes two to write it into the pods, and a rolling restart some more. After that nobody is on the way to load it."""
INTERMEDIATE = tuple(suite.value for suite in CipherSuite if "CBC" not in suite.value)


@dataclass(frozen=True, slots=True)
class Proof:
    """Measurements wanted, and what the present ones say.

    Attributes:
        measures: for the engine.
        condition: Proven.
        status: `status.measurements`.
        due: when a measurement in status is to be written anew, or ends.
        seen: verdicts by name, only those that are valid.
    """

    measures: tuple[Measure, ...]
    condition: Condition
    status: tuple[Mapping[str, Any], ...]
    due: datetime | None
    seen: Mapping[str, Measurement]


def proof(asked: Asked, trust: Part, server: Part | None, binding: Part | None) -> Proof:
    """Decide what to measure and judge what was measured."""
    wanted = _wanted(asked, trust, server, binding)
    if isinstance(wanted, Condition):
        return Proof((), wanted, (), None, {})
    held = [durable(asked.world, asked.status, measure, asked.now) for measure in wanted]
    valid = {item.name: item for item in held if item is not None and asked.now <= item.valid_until}
    status = tuple(measurement_status(item) for item in held if item is not None)
    due = min(_due(item, measure, asked.now) for item, measure in zip(held, wanted, strict=True))
    return Proof(wanted, _proven(wanted, valid), status, due, valid)


def _wanted(asked: Asked, trust: Part, server: Part | None, binding: Part | None) -> tuple[Measure, ...] | Condition:
    spec = asked.spec
    kind = probe_for(spec.protocol.value, spec.security.value)
    if isinstance(kind, NotMeasured):
        return unknown("Proven", kind.result.reason.value, kind.result.message)
    if not isinstance(trust.found, Trusted):
        return unknown("Proven", trust.condition.reason, trust.condition.message)
    if server is not None and server.found is None:
        return unknown("Proven", server.condition.reason, server.condition.message)
    client = _client_certificate(asked, binding)
    if isinstance(client, Condition):
        return client
    way = destination(asked)
    if isinstance(way, NoDestination):
        return unknown("Proven", way.reason, way.message)
    pair: KeyPairView | None = server.found if server else None
    facts = pair.facts if pair else None
    probe = TlsProbe(
        protocol=spec.protocol.value,
        server_name=spec.endpoint.verified_name,
        port=way.port,
        target=way.target,
        trust_pem=trust.found.bundle,
        minimum_version=spec.encryption.minimum_version,
        cipher_suites=_suites(asked),
        client_certificate=client,
        alpn=https.OFFER if spec.protocol is Protocol.HTTPS else (),
        expected_fingerprint=facts.fingerprint if facts else None,
        reload_until=_reload_until(facts, asked.now),
    )
    return _measures(asked, probe)


def _reload_until(facts: CertificateFacts | None, now: datetime) -> datetime | None:
    """The end of the time to reload, None once it is over. Of a short life it is a fifth, back-dating included."""
    if facts is None:
        return None
    end = facts.not_before + min(LONGEST_RELOAD, (facts.not_after - facts.not_before) / 5)
    return end if now < end else None


def _suites(asked: Asked) -> tuple[str, ...]:
    encryption = asked.spec.encryption
    if encryption.cipher_profile is CipherProfile.CUSTOM:
        return tuple(suite.value for suite in encryption.cipher_suites)
    return INTERMEDIATE


def _client_certificate(asked: Asked, binding: Part | None) -> ClientCertificate | Condition | None:
    authentication = asked.spec.authentication
    if authentication is None or authentication.client_certificate is None:
        return None
    pair = binding.found if binding else None
    if not isinstance(pair, KeyPairView) or pair.key is None:
        if binding is not None and not binding.condition.holds:
            return unknown("Proven", binding.condition.reason, binding.condition.message)
        return unknown("Proven", "CertificatePending", "the client's certificate is not there yet")
    return ClientCertificate(pair.certificate, pair.key)


def _measures(asked: Asked, probe: TlsProbe) -> tuple[Measure, ...]:
    cadence = asked.spec.probe
    kinds = [NegativeKind.PLAINTEXT, NegativeKind.OLD_VERSION]
    if probe.client_certificate is not None:
        kinds.append(NegativeKind.NO_CLIENT_CERTIFICATE)
    negatives = [NegativeProbe(kind, probe) for kind in kinds]
    return (
        Measure(HANDSHAKE, probe, probe.digest(), cadence.interval),
        *(Measure(item.kind.value, item, item.digest(), cadence.negative_interval) for item in negatives),
    )


def _due(item: Measurement | None, measure: Measure, now: datetime) -> datetime:
    if item is None:
        return now + measure.interval
    turn = next_turn(item, now)
    # Then the question is put anew at once: without time to reload it is another one.
    end = measure.probe.reload_until if item.reason == Reason.RELOAD_PENDING else None
    return min(turn, end) if end else turn


def _proven(wanted: tuple[Measure, ...], valid: Mapping[str, Measurement]) -> Condition:
    for result, build in ((Result.FAILS, false), (Result.UNKNOWN, unknown)):
        for measure in wanted:
            item = valid.get(measure.name)
            if item is not None and item.result is result:
                return build("Proven", item.reason, f"{measure.name}: {item.message}")
    missing = [measure.name for measure in wanted if measure.name not in valid]
    if missing:
        return unknown("Proven", "NotMeasured", f"not measured (within its validity) yet: {', '.join(missing)}")
    return true("Proven", "Verified", valid[HANDSHAKE].message)
