"""The server's certificate: issued into a Secret, or watched in a Secret of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from breakwater.certificates import authority as authorities
from breakwater.certificates.authority import Authority, Unusable
from breakwater.certificates.keypair import KEY_PAIR, TLS_SECRET, KeyPairView
from breakwater.certificates.permits import server_refusal
from breakwater.channels.encryption import ServerCertificate
from breakwater.channels.leaf import Wanted, certificate_status, in_time, keys_so_far, next_due, renewal_of, wanted_by
from breakwater.channels.part import Asked, Part, in_place, pending, refused, waiting
from breakwater.channels.written import Marks, Target, marks_differ, secret_action
from breakwater.kernel.ownership import AUTHORITY, GENERATION, USE, Free, Ours, Taken, claim
from breakwater.kernel.reading import Absent, Unknown
from breakwater.kernel.recipe import Known
from breakwater.pki import LeafRequest, Usage, Validity
from breakwater.pki.recipes import CERTIFICATE, PRIVATE_KEY, TRUST

NAME = "ServerCertificate"
ID = "server-certificate"


def server_part(asked: Asked) -> Part | None:
    """The part, or None where the server brings its own."""
    certificate = asked.spec.encryption.server_certificate
    if certificate is None:
        return None
    if certificate.existing_secret_ref is not None:
        return _watched(asked, certificate.existing_secret_ref.name)
    return _issued(asked, certificate)


def _issued(asked: Asked, certificate: ServerCertificate) -> Part:
    name = certificate.authority_ref.name if certificate.authority_ref else ""
    authority = authorities.find(asked.world, name)
    if isinstance(authority, Unusable):
        message = f"spec.encryption.serverCertificate.authorityRef: {authority.message}"
        return waiting(NAME, authority.reason, message, known=authority.known)
    labels = asked.namespace_labels()
    if labels is None:
        return waiting(NAME, "NotSynced", "the labels of the namespace are not known yet", known=False)
    domain = asked.world.settings.cluster_domain
    refusal = server_refusal(authority.spec, asked.namespace, labels, certificate.dns_names, domain)
    if refusal:
        return refused(NAME, "NotPermitted", f"spec.encryption.serverCertificate.dnsNames: {refusal}")
    return _claimed(asked, certificate, authority)


def _claimed(asked: Asked, certificate: ServerCertificate, authority: Authority) -> Part:
    target = asked.secret(certificate.secret_name or "")
    held = claim(asked.world, target, asked.subject)
    if isinstance(held, Unknown):
        return waiting(NAME, held.reason, held.message, known=False)
    if isinstance(held, Taken):
        message = (
            f"spec.encryption.serverCertificate.secretName: Secret {target.name} belongs to {held.by}; name another, "
            "or use existingSecretRef to have it watched"
        )
        return refused(NAME, "NameTaken", message)
    request = LeafRequest(
        usages=frozenset({Usage.SERVER}),
        algorithm=authority.spec.algorithm,
        lifetime=authority.spec.leaf_lifetime.default,
        dns_names=certificate.dns_names,
    )
    wanted = wanted_by(asked, request, authority)
    if isinstance(held, Free):
        return _new(asked, Target(target, None), wanted, None, "CertificateMissing", "no certificate stands there yet")
    return _kept(asked, Target(target, held), held, wanted)


def _kept(asked: Asked, target: Target, held: Ours, wanted: Wanted) -> Part:
    pair = held.entry.project(KEY_PAIR)
    renewal = renewal_of(pair, wanted, asked.now)
    if renewal is not None:
        return _new(asked, target, wanted, pair, renewal.reason, renewal.message, notable=renewal.damage)
    marks = _marks(asked, wanted, max(1, keys_so_far(Usage.SERVER, pair, asked.status)))
    status = {"certificates": [certificate_status(Usage.SERVER, pair, target.ref.name, wanted)]}
    part = _repaired(asked, target, held, wanted, marks, status)
    return in_time(part, pair.facts, wanted, asked.now) if pair.facts else part


def _repaired(
    asked: Asked, target: Target, held: Ours, wanted: Wanted, marks: Marks, status: Mapping[str, Any]
) -> Part:
    """What lies around a key that stays."""
    pair = held.entry.project(KEY_PAIR)
    chain, trust = wanted.chain(pair), wanted.authority.bundle
    if (pair.certificate, pair.trust) == (chain, trust) and not marks_differ(held, *marks):
        return in_place(NAME, found=pair, status=status)
    entries = {CERTIFICATE: chain, TRUST: trust}
    parts = Known.of(entries | ({PRIVATE_KEY: pair.key} if pair.key else {}))
    action = secret_action(
        ID,
        target,
        (parts,),
        TLS_SECRET,
        marks,
        reason="TrustOrMarksChanged",
        message="intermediates, trust, labels or annotations differ",
    )
    return pending(NAME, action, asked.world.failure(ID), status=status, found=pair)


def _new(
    asked: Asked,
    target: Target,
    wanted: Wanted,
    pair: KeyPairView | None,
    reason: str,
    message: str,
    *,
    notable: bool = False,
) -> Part:
    found = pair if pair and not pair.fault else None
    due = next_due(found.facts if found else None, wanted, asked.now)
    late = wanted.authority.untimely(asked.now)
    if late is not None:
        message = f"spec.encryption.serverCertificate.authorityRef: {late.message}"
        return waiting(NAME, late.reason, message, due=due, found=found)
    generation = keys_so_far(Usage.SERVER, pair, asked.status) + 1
    action = secret_action(
        ID,
        target,
        (wanted.recipe(),),
        TLS_SECRET,
        _marks(asked, wanted, generation),
        reason=reason,
        message=f"server certificate, generation {generation}: {message}",
        notable=notable,
    )
    return pending(NAME, action, asked.world.failure(ID), due=due, found=found)


def _marks(asked: Asked, wanted: Wanted, generation: int) -> tuple[dict[str, str], dict[str, str]]:
    labels, annotations = asked.marks()
    own = {AUTHORITY: wanted.authority.name, USE: Usage.SERVER.value, GENERATION: str(generation)}
    return labels, annotations | own


def _watched(asked: Asked, name: str) -> Part:
    """A Secret of others: never written. Whether its certificate is good is for Encrypted to say."""
    reading = asked.world.get(asked.secret(name), KEY_PAIR)
    field = f"spec.encryption.serverCertificate.existingSecretRef: Secret {name}"
    if isinstance(reading, Unknown):
        return waiting(NAME, reading.reason, reading.message, known=False)
    if isinstance(reading, Absent):
        return waiting(NAME, "SecretNotFound", f"{field} does not exist; create it with tls.crt and tls.key")
    pair = reading.value
    if pair.fault:
        return waiting(NAME, "SecretInvalid", f"{field}: {pair.fault}")
    status = {"certificates": [certificate_status(Usage.SERVER, pair, name, None)]}
    turn = Validity.shared(pair.chain[:1]).next_turn(asked.now)
    return in_place(NAME, found=pair, due=turn, status=status)
