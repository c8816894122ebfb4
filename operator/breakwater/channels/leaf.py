"""Why a certificate that stands in a Secret has to be issued again: an ordered list of named checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from breakwater.certificates.authority import Authority
from breakwater.certificates.due import Due, renewal_due
from breakwater.certificates.following import Followed, followed
from breakwater.certificates.keypair import KeyPairView
from breakwater.channels.part import Asked, Part
from breakwater.kernel.condition import false
from breakwater.kernel.time import earliest, to_rfc3339
from breakwater.pki import (
    CertificateFacts,
    IssueCertificate,
    LeafRequest,
    Usage,
    Validity,
    with_intermediates,
)

LONGEST_SERIAL = 64
"""RFC 5280 allows 40 hexadecimal digits, not all that others issue keeps to it, and status holds no more than this."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate as declared, with its issuer."""

    request: LeafRequest
    authority: Authority
    followed: Followed
    """The schedule by which it is renewed."""
    place: str
    """Tells it from other certificates of that schedule, over all its renewals."""

    def recipe(self) -> IssueCertificate:
        """How to issue it."""
        pair = self.authority.pair
        if pair.key is None:
            raise ValueError("an authority without key cannot be usable")
        return IssueCertificate(self.request, pair.certificate, pair.key, self.authority.bundle)

    def chain(self, pair: KeyPairView) -> bytes:
        """The leaf that stands there with the intermediates that lead from it to the present trust."""
        signer = self.authority.signer
        if tuple(facts.fingerprint for facts in pair.chain[1:]) == signer.sent:
            return pair.certificate
        return with_intermediates(pair.certificate, signer.intermediates)


@dataclass(frozen=True, slots=True)
class Renewal:
    """The first reason to issue again; `damage` when somebody or something broke what stood there."""

    reason: str
    message: str
    damage: bool = False


def wanted_by(asked: Asked, request: LeafRequest, authority: Authority) -> Wanted:
    """What a channel wants, with the schedule that applies to it."""
    schedule = followed(asked.world, asked.namespace, asked.spec.rotation_schedule_ref, authority.spec)
    uses = ",".join(sorted(request.usages))
    return Wanted(request, authority, schedule, f"{asked.declared.uid}/{uses}")


Check = Callable[[KeyPairView, CertificateFacts, Wanted, datetime], Renewal | None]


def key_pair_broken(pair: KeyPairView, _: CertificateFacts, __: Wanted, ___: datetime) -> Renewal | None:
    """Key and certificate do not belong together, or cannot be read."""
    return Renewal("KeyPairBroken", f"the key pair is not usable: {pair.fault}", damage=True) if pair.fault else None


def signed_by_another(_: KeyPairView, facts: CertificateFacts, wanted: Wanted, __: datetime) -> Renewal | None:
    """The issuer is not the authority's present key, or not under its present name, which the leaf itself states.

    Whatever else changed about the authority's certificates, the signature of the leaf stays good below them: then only
    the chain behind it is replaced, and its key stays.
    """
    issuer = wanted.authority.pair.facts
    if issuer is not None and (facts.authority_key_id, facts.issuer) == (issuer.key_id, issuer.subject):
        return None
    return Renewal("AuthorityChanged", f"it was not signed by {wanted.authority.name} as it stands now")


def names_differ(_: KeyPairView, facts: CertificateFacts, wanted: Wanted, __: datetime) -> Renewal | None:
    """The names are not those declared."""
    request = wanted.request
    same = set(facts.dns_names) == set(request.dns_names) and set(facts.ip_addresses) == set(request.ip_addresses)
    if same and facts.common_name == request.subject:
        return None
    return Renewal("NamesChanged", "its names are not those that are declared")


def usage_differs(_: KeyPairView, facts: CertificateFacts, wanted: Wanted, __: datetime) -> Renewal | None:
    """It is meant for something else."""
    needed = {"serverAuth" if usage is Usage.SERVER else "clientAuth" for usage in wanted.request.usages}
    return None if facts.extended_key_usages == needed else Renewal("UsageChanged", "its usages are not those needed")


def begins_later(_: KeyPairView, facts: CertificateFacts, __: Wanted, now: datetime) -> Renewal | None:
    """The clock has been set back since it was issued; until it begins nobody would accept it."""
    if facts.not_before <= now:
        return None
    return Renewal("NotYetValid", f"it begins at {to_rfc3339(facts.not_before)} only; the clock was set back")


def schedule_says_so(_: KeyPairView, facts: CertificateFacts, wanted: Wanted, now: datetime) -> Renewal | None:
    """Its time has come, and a new one would live longer."""
    due = due_of(facts, wanted)
    if due is None or now < due.at:
        return None
    if now > facts.not_after:
        return Renewal("CertificateExpired", f"it ended at {to_rfc3339(facts.not_after)}")
    return Renewal("RenewalDue", f"it ends at {to_rfc3339(facts.not_after)}")


CHECKS: tuple[Check, ...] = (
    key_pair_broken,
    signed_by_another,
    names_differ,
    usage_differs,
    begins_later,
    schedule_says_so,
)


def renewal_of(pair: KeyPairView, wanted: Wanted, now: datetime) -> Renewal | None:
    """The first check that finds something; None when the certificate can stay."""
    if pair.facts is None:
        return Renewal("KeyPairBroken", f"the key pair is not usable: {pair.fault}", damage=True)
    for check in CHECKS:
        found = check(pair, pair.facts, wanted, now)
        if found is not None:
            return found
    return None


def due_of(facts: CertificateFacts, wanted: Wanted) -> Due | None:
    """When it will be renewed.

    None where it ends with its authority, since no new one could live longer; and while nobody can tell what its
    schedule says.
    """
    schedule = wanted.followed.spec
    if schedule is None or facts.not_after >= wanted.authority.signer.validity.not_after:
        return None
    return renewal_due(facts.not_before, facts.not_after, schedule, wanted.place)


def due_at(facts: CertificateFacts, wanted: Wanted) -> datetime | None:
    """The moment of it."""
    due = due_of(facts, wanted)
    return due.at if due else None


def next_due(facts: CertificateFacts | None, wanted: Wanted, now: datetime) -> datetime | None:
    """When it is to be judged again: at its renewal, after its end if nothing came of that, and with its authority."""
    turn = wanted.authority.signer.validity.next_turn(now)
    if facts is None:
        return turn
    at = due_at(facts, wanted)
    return earliest(at if at and at > now else None, Validity.shared([facts]).next_turn(now), turn)


def in_time(part: Part, facts: CertificateFacts, wanted: Wanted, now: datetime) -> Part:
    """The part of a certificate that stays, as time lets it be: its authority may have ended before or with it."""
    late = wanted.authority.untimely(now)
    condition = false(part.condition.type, late.reason, late.message) if late else part.condition
    return replace(part, condition=condition, due=next_due(facts, wanted, now))


def certificate_status(use: Usage, pair: KeyPairView, secret: str, wanted: Wanted | None) -> dict[str, Any]:
    """One entry of `status.certificates`, from the certificate's bytes."""
    facts = pair.facts
    if facts is None:
        return {}
    entry: dict[str, Any] = {
        "use": use.value,
        "serial": facts.serial if len(facts.serial) <= LONGEST_SERIAL else "",
        "fingerprint": facts.fingerprint,
        "notBefore": to_rfc3339(facts.not_before),
        "notAfter": to_rfc3339(facts.not_after),
        "secretName": secret,
    }
    if wanted is not None:
        due, schedule = due_of(facts, wanted), wanted.followed.named
        entry |= {"renewAt": to_rfc3339(due.at)} if due else {}
        entry |= {"schedule": schedule} if schedule else {}
        entry |= {"outsideWindows": True, "note": due.missed} if due and due.missed else {}
        entry |= {"authority": wanted.authority.name, "generation": max(1, pair.generation)}
    return entry


def keys_so_far(use: Usage, pair: KeyPairView | None, status: Any) -> int:
    """How many keys there have been, as far as the Secret or status remember."""
    entries = status.get("certificates") if isinstance(status, dict) else None
    remembered = [
        entry.get("generation") for entry in entries or () if isinstance(entry, dict) and entry.get("use") == use
    ]
    counts = [count for count in remembered if isinstance(count, int)]
    return max([pair.generation if pair else 0, *counts])
