"""The verdicts that make up Secured (BPM-001: authenticated and authorized access, combined with encryption)."""

from __future__ import annotations

from breakwater.certificates.keypair import KeyPairView
from breakwater.channels.judged import fault_of
from breakwater.channels.part import Asked, Part
from breakwater.channels.proof import HANDSHAKE, Proof
from breakwater.channels.trusted import Trusted
from breakwater.kernel.condition import Condition, false, true, unknown
from breakwater.kernel.measurement import Result
from breakwater.probes.request import NegativeKind


def encrypted(asked: Asked, trust: Part, server: Part | None, evidence: Proof) -> Condition:
    """The live server speaks TLS as declared, with a certificate that clients accept."""
    fault = _certificate_fault(asked, trust, server)
    if fault is not None:
        return fault
    if server is not None and not server.condition.holds and server.found is None:
        return Condition("Encrypted", server.condition.status, server.condition.reason, server.condition.message)
    for kind in (NegativeKind.PLAINTEXT, NegativeKind.OLD_VERSION):
        tried = evidence.seen.get(kind.value)
        if tried is not None and tried.result is Result.FAILS:
            return false("Encrypted", tried.reason, tried.message)
    seen = evidence.seen.get(HANDSHAKE)
    if seen is None:
        return unknown("Encrypted", evidence.condition.reason, evidence.condition.message or "not measured")
    if seen.result is Result.HOLDS:
        return true("Encrypted", "Verified", seen.message)
    if seen.result is Result.FAILS:
        return false("Encrypted", seen.reason, seen.message)
    return unknown("Encrypted", seen.reason, seen.message)


def _certificate_fault(asked: Asked, trust: Part, server: Part | None) -> Condition | None:
    """What is wrong with the certificate that the server is to show: from its bytes, before anything is measured."""
    certificate = asked.spec.encryption.server_certificate
    pair = server.found if server else None
    if certificate is None or not isinstance(pair, KeyPairView) or pair.facts is None:
        return None
    if asked.now > pair.facts.not_after:
        field = f"spec.encryption.serverCertificate: Secret {certificate.names_secret}"
        return false("Encrypted", "CertificateExpired", f"{field}: the certificate has expired; renew it")
    if not isinstance(trust.found, Trusted) or trust.found.bundle is None:
        return None
    name = asked.spec.endpoint.verified_name
    fault = fault_of(pair.certificate, trust.found.bundle, name, asked.now)
    if fault is None:
        return None
    member = "existingSecretRef" if certificate.existing_secret_ref else "authorityRef"
    field = f"spec.encryption.serverCertificate.{member}: Secret {certificate.names_secret}, for {name}"
    return false("Encrypted", fault.reason.value, f"{field}, judged by spec.encryption.trust: {fault}")


def authenticated(asked: Asked, evidence: Proof) -> Condition:
    """Clients must show who they are, and those who do not are refused."""
    authentication = asked.spec.authentication
    if authentication is None:
        return false(
            "Authenticated",
            "NotDeclared",
            "spec.authentication is absent: declare a password or a client certificate",
        )
    if authentication.client_certificate is None:
        return unknown("Authenticated", "NotMeasured", "a login with name and password is not measured by this version")
    seen = evidence.seen.get(NegativeKind.NO_CLIENT_CERTIFICATE.value)
    if seen is None:
        return unknown(
            "Authenticated", "NotMeasured", "whether clients without certificate are refused is not measured"
        )
    if seen.result is Result.HOLDS and authentication.password is not None:
        message = f"{seen.message} Whether the server demands the password too is not measured by this version."
        return unknown("Authenticated", "PasswordNotMeasured", message)
    if seen.result is Result.HOLDS:
        return true("Authenticated", seen.reason, seen.message)
    build = false if seen.result is Result.FAILS else unknown
    return build("Authenticated", seen.reason, seen.message)


def authorized(asked: Asked) -> Condition:
    """Only those listed may use the flow."""
    if asked.spec.authorization is None:
        return false("Authorized", "NotDeclared", "spec.authorization is absent: list the clients and service accounts")
    return unknown("Authorized", "NotEvaluated", "spec.authorization is not evaluated by this version")
