"""The binding Secret, by the Service Binding specification: everything a client needs, under standard names.

It exists as soon as there is something to hand over: a login, a client certificate, consumers or an output of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from breakwater.certificates import authority as authorities
from breakwater.certificates.authority import Unusable
from breakwater.certificates.keypair import KEY_PAIR, KeyPairView, secret_data
from breakwater.certificates.permits import client_refusal
from breakwater.channels.kind import BindingEntry, ClientCertificate, Output
from breakwater.channels.leaf import (
    Renewal,
    Wanted,
    certificate_status,
    in_time,
    keys_so_far,
    next_due,
    renewal_of,
    wanted_by,
)
from breakwater.channels.login import GENERATED, Login
from breakwater.channels.part import Asked, Part, in_place, pending, refused, waiting
from breakwater.channels.protocols import Protocol, Security
from breakwater.channels.trusted import Trusted
from breakwater.channels.written import Marks, Target, marks_differ, secret_action
from breakwater.kernel.apply import owned_data_keys
from breakwater.kernel.condition import Status
from breakwater.kernel.ownership import AUTHORITY, GENERATION, LOGIN_ORIGIN, USE, Claim, Ours, Taken, claim
from breakwater.kernel.reading import Manifest, Projection, Unknown
from breakwater.kernel.recipe import Aliased, Joined, Known, Recipe, Without
from breakwater.kernel.sealed import Sealed
from breakwater.pki import LeafRequest, Usage
from breakwater.pki.recipes import CERTIFICATE, PRIVATE_KEY, TRUST

NAME = "Binding"
ID = "binding"
PROVIDER = "breakwater"
# What the specification calls the two halves of the client's key pair, beside the usual file names.
STANDARD_ALIASES = ((BindingEntry.CERTIFICATES.value, CERTIFICATE), (BindingEntry.PRIVATE_KEY.value, PRIVATE_KEY))
SCHEMES = {
    (Protocol.HTTPS, Security.IMPLICIT): "https",
    (Protocol.SMTP, Security.IMPLICIT): "smtps",
    (Protocol.SMTP, Security.START_TLS): "smtp",
    (Protocol.POSTGRESQL, Security.IMPLICIT): "postgresql",
    (Protocol.POSTGRESQL, Security.START_TLS): "postgresql",
    (Protocol.MYSQL, Security.START_TLS): "mysql",
    (Protocol.LDAP, Security.IMPLICIT): "ldaps",
    (Protocol.LDAP, Security.START_TLS): "ldap",
}

_NO_LOGIN = "spec.authentication.password is not set; set it, or remove the name"
_NO_CERTIFICATE = "spec.authentication.clientCertificate is not set; set it, or remove the name"
_OF_CERTIFICATE = {
    BindingEntry.CERTIFICATES,
    BindingEntry.PRIVATE_KEY,
    BindingEntry.TLS_CRT,
    BindingEntry.TLS_KEY,
}
_WHY_ABSENT = {
    BindingEntry.URI: "there is no URI for protocol {protocol} in common use; build it from host and port",
    BindingEntry.USERNAME: _NO_LOGIN,
    BindingEntry.PASSWORD: _NO_LOGIN,
    BindingEntry.CA_CRT: "spec.encryption.trust is the system's; name an authority or a bundle, or remove the name",
    **dict.fromkeys(_OF_CERTIFICATE, _NO_CERTIFICATE),
}

Entries = dict[str, bytes | Sealed]


@dataclass(frozen=True, slots=True)
class Content:
    """A Secret's data and which of it we wrote."""

    data: Mapping[str, Sealed]
    ours: frozenset[str]


def _content(manifest: Manifest) -> Content:
    return Content({key: Sealed(value) for key, value in secret_data(manifest).items()}, owned_data_keys(manifest))


CONTENT: Projection[Content] = Projection("content", _content)


def binding_name(asked: Asked) -> str | None:
    """Name of the binding Secret, None where there is nothing to hand over."""
    spec = asked.spec
    if not (spec.authentication or spec.consumers or spec.output != Output()):
        return None
    return spec.output.secret_name or f"{asked.subject.name}-binding"


def binding_claim(asked: Asked) -> Claim | None:
    """What stands under the binding's name."""
    name = binding_name(asked)
    return claim(asked.world, asked.secret(name), asked.subject) if name else None


def binding_part(asked: Asked, held: Claim | None, login: Part | None, trust: Part) -> Part | None:
    """The part, or None where there is nothing to hand over."""
    name = binding_name(asked)
    if name is None or held is None:
        return None
    if isinstance(held, Unknown):
        return waiting(NAME, held.reason, held.message, known=False)
    if isinstance(held, Taken):
        field = "spec.output.secretName" if asked.spec.output.secret_name else "metadata.name"
        return refused(
            NAME, "NameTaken", f"{field}: Secret {name} belongs to {held.by}; set spec.output.secretName to a free name"
        )
    absent = _absent(asked)
    if absent:
        return refused(NAME, "EntryAbsent", absent)
    for needed in (trust, login):
        if needed is not None and needed.found is None:
            cause = needed.condition
            return waiting(NAME, cause.reason, cause.message, known=cause.status is not Status.UNKNOWN)
    target = Target(asked.secret(name), held if isinstance(held, Ours) else None)
    entries = _entries(asked, login.found if login else None, trust.found)
    authentication = asked.spec.authentication
    certificate = authentication.client_certificate if authentication else None
    if certificate is None:
        return _plain(asked, target, entries)
    return _with_certificate(asked, target, entries, certificate)


def _entries(asked: Asked, login: Login | None, trusted: Trusted) -> Entries:
    spec = asked.spec
    entries: Entries = {
        BindingEntry.TYPE.value: spec.protocol.value.lower().encode(),
        BindingEntry.PROVIDER.value: PROVIDER.encode(),
        BindingEntry.HOST.value: spec.endpoint.host.encode(),
        BindingEntry.PORT.value: str(spec.port).encode(),
    }
    scheme = SCHEMES.get((spec.protocol, spec.security))
    if scheme:
        host = f"[{spec.endpoint.host}]" if ":" in spec.endpoint.host else spec.endpoint.host
        entries[BindingEntry.URI.value] = f"{scheme}://{host}:{spec.port}".encode()
    if trusted.bundle is not None:
        entries[TRUST] = trusted.bundle
    if login is not None and login.password is not None:
        entries[BindingEntry.USERNAME.value] = login.username
        entries[BindingEntry.PASSWORD.value] = login.password
    return entries


def _aliases(asked: Asked) -> tuple[tuple[str, str], ...]:
    """Further names of entries; an alias may repeat a standard alias, so those are resolved to what they repeat."""
    standard = dict(STANDARD_ALIASES)
    own = ((name, standard.get(entry.value, entry.value)) for name, entry in sorted(asked.spec.output.keys.items()))
    return (*STANDARD_ALIASES, *own)


def _absent(asked: Asked) -> str:
    """An own name for an entry that this binding will never have: a pod that reads it would not start."""
    spec, authentication = asked.spec, asked.spec.authentication
    absent: set[BindingEntry] = set()
    if (spec.protocol, spec.security) not in SCHEMES:
        absent |= {BindingEntry.URI}
    if spec.encryption.trust.system:
        absent |= {BindingEntry.CA_CRT}
    if authentication is None or authentication.password is None:
        absent |= {BindingEntry.USERNAME, BindingEntry.PASSWORD}
    if authentication is None or authentication.client_certificate is None:
        absent |= _OF_CERTIFICATE
    for name, entry in sorted(spec.output.keys.items()):
        if entry in absent:
            why = _WHY_ABSENT[entry].format(protocol=spec.protocol.value)
            return f"spec.output.keys.{name}: this channel's binding has no entry {entry.value}: {why}"
    return ""


def _secret_type(asked: Asked) -> str:
    return f"servicebinding.io/{asked.spec.protocol.value.lower()}"


def _plain(asked: Asked, target: Target, entries: Entries) -> Part:
    recipe = Aliased(Known.of(entries), _aliases(asked))
    labels, annotations = _common_marks(asked)
    # With these left on it, the Secret would count as a certificate that still needs its authority's root.
    gone = dict.fromkeys((AUTHORITY, USE, GENERATION))
    return _kept_or_written(asked, target, recipe, (labels, {**annotations, **gone}), None)


def _with_certificate(asked: Asked, target: Target, entries: Entries, certificate: ClientCertificate) -> Part:
    authority = authorities.find(asked.world, certificate.authority_ref.name)
    if isinstance(authority, Unusable):
        message = f"spec.authentication.clientCertificate.authorityRef: {authority.message}"
        return waiting(NAME, authority.reason, message, known=authority.known)
    labels = asked.namespace_labels()
    if labels is None:
        return waiting(NAME, "NotSynced", "the labels of the namespace are not known yet", known=False)
    refusal = client_refusal(authority.spec, asked.namespace, labels, certificate.common_name)
    if refusal:
        return refused(NAME, "NotPermitted", f"spec.authentication.clientCertificate.commonName: {refusal}")
    request = LeafRequest(
        usages=frozenset({Usage.CLIENT}),
        algorithm=authority.spec.algorithm,
        lifetime=authority.spec.leaf_lifetime.default,
        common_name=certificate.common_name,
    )
    wanted = wanted_by(asked, request, authority)
    pair = target.held.entry.project(KEY_PAIR) if target.held else None
    renewal = (
        renewal_of(pair, wanted, asked.now) if pair else Renewal("BindingMissing", "no certificate stands there yet")
    )
    if renewal is not None:
        return _issue(asked, target, entries, wanted, pair, renewal)
    return _keep(asked, target, entries, wanted, pair)


def _issue(
    asked: Asked, target: Target, entries: Entries, wanted: Wanted, pair: KeyPairView | None, renewal: Renewal
) -> Part:
    due = next_due(pair.facts if pair else None, wanted, asked.now)
    late = wanted.authority.untimely(asked.now)
    if late is not None:
        message = f"spec.authentication.clientCertificate.authorityRef: {late.message}"
        return waiting(NAME, late.reason, message, due=due)
    generation = keys_so_far(Usage.CLIENT, pair, asked.status) + 1
    # What is trusted is the channel's affair: it is for verifying the server, whoever issues for the client.
    recipe = Aliased(Joined((Without(wanted.recipe(), frozenset({TRUST})), Known.of(entries))), _aliases(asked))
    action = secret_action(
        ID,
        target,
        (recipe,),
        _secret_type(asked),
        _marks(asked, wanted, generation),
        reason=renewal.reason,
        message=f"client certificate, generation {generation}: {renewal.message}",
        notable=renewal.damage,
    )
    return pending(NAME, action, asked.world.failure(ID), due=due, status={"binding": {"name": target.ref.name}})


def _keep(asked: Asked, target: Target, entries: Entries, wanted: Wanted, pair: KeyPairView | None) -> Part:
    if pair is None or pair.key is None or pair.facts is None:
        raise ValueError("a pair without fault has both halves")
    whole = entries | {CERTIFICATE: wanted.chain(pair), PRIVATE_KEY: pair.key}
    recipe = Aliased(Known.of(whole), _aliases(asked))
    generation = max(1, keys_so_far(Usage.CLIENT, pair, asked.status))
    part = _kept_or_written(asked, target, recipe, _marks(asked, wanted, generation), pair)
    status = {**part.status, "certificates": [certificate_status(Usage.CLIENT, pair, target.ref.name, wanted)]}
    return in_time(replace(part, status=status, found=pair), pair.facts, wanted, asked.now)


def _kept_or_written(asked: Asked, target: Target, recipe: Recipe, marks: Marks, found: KeyPairView | None) -> Part:
    status = {"binding": {"name": target.ref.name}}
    held = target.held
    if held is not None and not marks_differ(held, *marks) and _says(held, recipe, asked):
        return in_place(NAME, found=found, status=status)
    reason = "BindingChanged" if held else "BindingMissing"
    action = secret_action(
        ID,
        target,
        (recipe,),
        _secret_type(asked),
        marks,
        reason=reason,
        message="the binding differs from what is declared",
    )
    return pending(NAME, action, asked.world.failure(ID), status=status)


def _says(held: Ours, recipe: Recipe, asked: Asked) -> bool:
    """Whether the Secret says all that it should, and nothing of ours besides."""
    content = held.entry.project(CONTENT)
    wanted = recipe.make(asked.now)
    same = all(content.data.get(key) == _sealed(value) for key, value in wanted.items())
    return same and content.ours <= wanted.keys()


def _sealed(value: bytes | Sealed) -> Sealed:
    return value if isinstance(value, Sealed) else Sealed(value)


def _marks(asked: Asked, wanted: Wanted, generation: int) -> Marks:
    labels, annotations = _common_marks(asked)
    own = {AUTHORITY: wanted.authority.name, USE: Usage.CLIENT.value, GENERATION: str(generation)}
    return labels, {**annotations, **own}


def _common_marks(asked: Asked) -> Marks:
    labels, annotations = asked.marks()
    password = asked.spec.authentication.password if asked.spec.authentication else None
    generated = password is not None and password.generate is not None
    return labels, {**annotations, LOGIN_ORIGIN: GENERATED if generated else None}
