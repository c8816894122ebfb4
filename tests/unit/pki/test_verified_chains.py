from __future__ import annotations

import time
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from breakwater.pki import Algorithm, PkiError, Reason, Usage, verification, verify
from tests.unit.pki.forge import DAY, NOW, Made, forge, forge_server, pem
from tests.unit.pki.openssl import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

PAST = (NOW - 9 * DAY, NOW - DAY)
FUTURE = (NOW + DAY, NOW + 9 * DAY)
CLIENT = [ExtendedKeyUsageOID.CLIENT_AUTH]
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")


def dns(*names: str) -> list[x509.GeneralName]:
    return [x509.DNSName(name) for name in names]


@dataclass(frozen=True)
class Case:
    """Root -> middle -> leaf with one thing changed, the reason that we must give, and openssl's opinion."""

    name: str
    reason: Reason | None
    root: dict[str, object]
    middle: dict[str, object]
    leaf: dict[str, object]
    server_name: str | None = "db.bpm.svc"
    usage: Usage = Usage.SERVER
    openssl_agrees: bool = True


def case(name: str, reason: Reason | None, **changes: object) -> Case:
    parts = {part: changes.pop(part, {}) for part in ("root", "middle", "leaf")}
    return Case(name, reason, **parts, **changes)  # type: ignore[arg-type]


def constraint(permitted: list[x509.GeneralName] | None, excluded: list[x509.GeneralName] | None) -> dict[str, object]:
    return {"extra": [(x509.NameConstraints(permitted, excluded), True)]}


CASES = [
    case("good", None),
    case("good without name", None, server_name=None),
    case("good client", None, leaf={"usages": CLIENT}, server_name=None, usage=Usage.CLIENT),
    case("unrestricted use", None, leaf={"usages": []}),
    case("wildcard", None, leaf={"dns": ["*.bpm.svc"]}),
    case("wildcard is one label", Reason.NAME_MISMATCH, leaf={"dns": ["*.bpm.svc"]}, server_name="a.b.bpm.svc"),
    case("wildcard is not the parent", Reason.NAME_MISMATCH, leaf={"dns": ["*.bpm.svc"]}, server_name="bpm.svc"),
    case("name in any case", None, server_name="DB.bpm.svc"),
    case("other name", Reason.NAME_MISMATCH, server_name="db2.bpm.svc"),
    case(
        "no alternative name",
        Reason.NAME_MISMATCH,
        leaf={"dns": []},
        server_name="leaf",
        openssl_agrees=False,  # it still takes the CN for a name; RFC 9525 does not
    ),
    case("leaf expired", Reason.CERTIFICATE_EXPIRED, leaf={"period": PAST}),
    case("leaf not yet valid", Reason.CERTIFICATE_NOT_YET_VALID, leaf={"period": FUTURE}),
    case("middle expired", Reason.ISSUER_EXPIRED, middle={"period": PAST}),
    case("middle not yet valid", Reason.ISSUER_NOT_YET_VALID, middle={"period": FUTURE}),
    case("root expired", Reason.ISSUER_EXPIRED, root={"period": PAST}),
    case("client as server", Reason.USAGE_MISMATCH, leaf={"usages": CLIENT}),
    case("server as client", Reason.USAGE_MISMATCH, server_name=None, usage=Usage.CLIENT),
    case("middle for clients only", Reason.USAGE_MISMATCH, middle={"usages": CLIENT}),
    case("middle is a leaf", Reason.NOT_AN_AUTHORITY, middle={"ca": False}),
    case("middle may not sign", Reason.NOT_AN_AUTHORITY, middle={"sign_certs": False}),
    case("root allows no middle", Reason.PATH_TOO_LONG, root={"path_length": 0}),
    case("root allows one middle", None, root={"path_length": 1}),
    case("unknown critical in leaf", Reason.UNSUPPORTED_EXTENSION, leaf={"extra": [(UNKNOWN, True)]}),
    case("unknown critical in middle", Reason.UNSUPPORTED_EXTENSION, middle={"extra": [(UNKNOWN, True)]}),
    case("unknown but not critical", None, leaf={"extra": [(UNKNOWN, False)]}),
    case("permitted by root", None, root=constraint(dns("bpm.svc"), None)),
    case("not permitted by root", Reason.NAME_NOT_PERMITTED, root=constraint(dns("bi.svc"), None)),
    case("not permitted by middle", Reason.NAME_NOT_PERMITTED, middle=constraint(dns("bi.svc"), None)),
    case("excluded by root", Reason.NAME_NOT_PERMITTED, root=constraint(None, dns("bpm.svc"))),
    case("excluded within permitted", Reason.NAME_NOT_PERMITTED, root=constraint(dns("svc"), dns("db.bpm.svc"))),
    case(
        "addresses constrained, names free", None, root=constraint([x509.IPAddress(ip_network("192.0.2.0/24"))], None)
    ),
    case(
        "constraint on the subject",
        Reason.UNSUPPORTED_EXTENSION,
        root=constraint([x509.DirectoryName(x509.Name([]))], None),
        openssl_agrees=False,  # it judges subjects; we say that we cannot
    ),
    case("self-signed leaf of the same name", Reason.UNKNOWN_ISSUER, leaf={"signer": None}),
]


def build(subject: Case, algorithm: Algorithm) -> tuple[bytes, bytes]:
    root = forge("root", algorithm=algorithm, **subject.root)  # type: ignore[arg-type]
    middle = forge("middle", root, algorithm=algorithm, **subject.middle)  # type: ignore[arg-type]
    leaf = forge_server(**{"signer": middle, "algorithm": algorithm, **subject.leaf})  # type: ignore[arg-type]
    return pem(leaf.certificate, middle.certificate), pem(root.certificate)


@pytest.mark.parametrize("algorithm", [Algorithm.ECDSA_P256, Algorithm.ED25519])
@pytest.mark.parametrize("subject", CASES, ids=lambda subject: subject.name)
def test_each_rule_of_path_validation_holds_with_its_reason(subject: Case, algorithm: Algorithm) -> None:
    chain, trust = build(subject, algorithm)
    found: Reason | None = None
    try:
        verify(chain, trust, server_name=subject.server_name, usage=subject.usage, now=NOW)
    except PkiError as error:
        found = error.reason
    assert found == subject.reason
    if subject.openssl_agrees:
        accepted = refusal(chain, trust, subject.usage, NOW, subject.server_name) == ""
        assert accepted is (subject.reason is None)


SECOND = {"good", "leaf expired", "middle expired", "other name", "middle is a leaf", "not permitted by root"}


@pytest.mark.parametrize("subject", [each for each in CASES if each.name in SECOND], ids=lambda subject: subject.name)
def test_the_second_validator_judges_on_its_own(subject: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def accept(leaf: object, intermediates: list[object], anchors: list[object], *_: object) -> tuple[object, ...]:
        return (leaf, *intermediates, *anchors)

    monkeypatch.setattr(verification, "validate", accept)
    monkeypatch.setattr(verification, "matches_server", lambda *_: True)
    chain, trust = build(subject, Algorithm.ECDSA_P256)
    if subject.reason is None:
        return verify(chain, trust, server_name=subject.server_name, usage=subject.usage, now=NOW)
    with pytest.raises(PkiError) as caught:
        verify(chain, trust, server_name=subject.server_name, usage=subject.usage, now=NOW)
    assert caught.value.reason == Reason.CHAIN_REJECTED
    return None


def test_a_forged_signature_is_no_path() -> None:
    root, impostor = forge("root"), forge("root")
    leaf = forge_server(impostor)
    with pytest.raises(PkiError) as caught:
        check(leaf, trust=root)
    assert caught.value.reason == Reason.UNKNOWN_ISSUER


def check(leaf: Made, *intermediates: Made, trust: Made) -> None:
    chain = pem(leaf.certificate, *(each.certificate for each in intermediates))
    verify(chain, pem(trust.certificate), server_name="db.bpm.svc", usage=Usage.SERVER, now=NOW)


def test_intermediates_come_in_any_order() -> None:
    root = forge("root")
    upper = forge("upper", root)
    lower = forge("lower", upper)
    check(forge_server(lower), upper, forge("stranger"), lower, trust=root)


def test_an_intermediate_can_be_the_trust_anchor() -> None:
    middle = forge("middle", forge("root"))
    check(forge_server(middle), trust=middle)


def test_a_self_signed_certificate_is_trusted_when_it_is_itself_in_the_trust() -> None:
    leaf = forge_server(None)
    check(leaf, trust=leaf)
    with pytest.raises(PkiError):
        check(leaf, trust=forge_server(None))


def test_a_renewed_root_of_the_same_key_replaces_the_expired_one() -> None:
    old = forge("root", period=PAST)
    new = forge("root", key=old.key)
    trust = pem(old.certificate, new.certificate)
    chain = pem(forge_server(new).certificate)
    verify(chain, trust, server_name="db.bpm.svc", usage=Usage.SERVER, now=NOW)


def test_old_and_new_authority_bridge_each_other_by_cross_signing() -> None:
    old, new = forge("authority"), forge("authority")
    bridge = forge("authority", old, key=new.key)
    leaf = forge_server(new)
    check(leaf, bridge, trust=old)
    check(leaf, bridge, trust=new)


@pytest.mark.parametrize(
    "make",
    [
        lambda root: forge_server(root, weak_hash=True),
        lambda root: forge_server(root, key=rsa.generate_private_key(65537, 1024)),  # noqa: S505  # the weak key that is refused
    ],
)
def test_weak_keys_and_signatures_are_refused(make: Callable[[Made], Made]) -> None:
    root = forge("root")
    with pytest.raises(PkiError) as caught:
        check(make(root), trust=root)
    assert caught.value.reason == Reason.WEAK_ALGORITHM


def test_a_hostile_tangle_of_cross_signatures_costs_little() -> None:
    knot = forge("knot")
    tangle = [forge("knot", key=knot.key) for _ in range(15)]  # each is the issuer of every other
    leaf = forge_server(knot)
    start = time.process_time()
    with pytest.raises(PkiError):
        check(leaf, *tangle, trust=forge("knot"))
    assert time.process_time() - start < 1


@pytest.mark.parametrize("name", ["a b", "", "-x.y", "a_b.svc", "\x00"])
def test_an_impossible_server_name_is_an_error_of_the_asker(name: str) -> None:
    leaf = forge_server(None)
    with pytest.raises(PkiError) as caught:
        verify(pem(leaf.certificate), pem(leaf.certificate), server_name=name, usage=Usage.SERVER, now=NOW)
    assert caught.value.field == "serverName"


def test_the_reason_repeats_nothing_of_the_chain() -> None:
    canary = "canary-peer-bytes"
    leaf = forge_server(forge(canary), dns=(f"{canary}.svc",), extra=[(key_extension(canary), True)])
    for trust in (forge("root"), leaf):
        with pytest.raises(PkiError) as caught:
            check(leaf, trust=trust)
        assert canary not in f"{caught.value!s} {caught.value!r}"
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def key_extension(content: str) -> x509.ExtensionType:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.2"), content.encode())
