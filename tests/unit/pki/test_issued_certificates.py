from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from breakwater.kernel.sealed import Sealed
from breakwater.pki import (
    Algorithm,
    KeyPair,
    PkiError,
    Reason,
    Usage,
    generate_key,
    issue_leaf,
    issue_root,
    key_matches,
    parse_chain,
    verify,
)
from breakwater.pki.keys import load_key, seal_key
from tests.unit.pki.forge import DAY, NOW, Made, client_request, forge, leaf_request, pem, root_request
from tests.unit.pki.openssl import openssl, refusal, text

BOTH = frozenset({Usage.SERVER, Usage.CLIENT})


@functools.cache
def root(algorithm: Algorithm = Algorithm.ECDSA_P256, permitted: tuple[str, ...] = ()) -> KeyPair:
    return issue_root(root_request(algorithm=algorithm, permitted_dns=permitted), NOW)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_openssl_accepts_server_and_client_of_each_algorithm(algorithm: Algorithm) -> None:
    leaf = issue_leaf(
        leaf_request(usages=BOTH, algorithm=algorithm, common_name="bpm", ip_addresses=("192.0.2.7", "2001:db8::1")),
        root(algorithm),
        NOW,
    )
    for usage in Usage:
        assert refusal(leaf.certificate_pem, root(algorithm).certificate_pem, usage, NOW) == ""
        verify(leaf.certificate_pem, root(algorithm).certificate_pem, server_name="192.0.2.7", usage=usage, now=NOW)
    assert refusal(leaf.certificate_pem, root(algorithm).certificate_pem, "Server", NOW, "db.bpm.svc") == ""
    assert "ostname mismatch" in refusal(leaf.certificate_pem, root(algorithm).certificate_pem, "Server", NOW, "db.x")
    assert key_matches(leaf.key, leaf.certificate_pem)
    assert parse_chain(leaf.certificate_pem)[0].algorithm == algorithm


@pytest.mark.parametrize("algorithm", Algorithm)
def test_openssl_reads_the_key_and_finds_it_in_the_certificate(algorithm: Algorithm) -> None:
    pair = root(algorithm)
    assert pair.key.open().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    public = openssl("pkey", "-pubout", stdin=pair.key.open())
    assert public == openssl("x509", "-noout", "-pubkey", stdin=pair.certificate_pem)


def test_rsa_alone_gets_key_encipherment() -> None:
    rsa = issue_leaf(leaf_request(algorithm=Algorithm.RSA_2048), root(), NOW)
    ecdsa = issue_leaf(leaf_request(), root(), NOW)
    assert "Digital Signature, Key Encipherment" in text(rsa.certificate_pem)
    assert "Exponent: 65537" in text(rsa.certificate_pem)
    assert parse_chain(ecdsa.certificate_pem)[0].key_usages == {"digitalSignature"}


def test_the_root_may_sign_and_says_so_critically() -> None:
    facts = parse_chain(root().certificate_pem)[0]
    assert (facts.is_ca, facts.path_length, facts.common_name) == (True, 1, "test root")
    assert facts.key_usages == {"keyCertSign", "cRLSign"}
    assert facts.subject_key_id == facts.authority_key_id != ""
    assert "Basic Constraints: critical" in text(root().certificate_pem)
    assert "Name Constraints" not in text(root().certificate_pem)


def test_serials_are_positive_and_fit_twenty_octets() -> None:
    serials = {
        int(parse_chain(issue_leaf(leaf_request(), root(), NOW).certificate_pem)[0].serial, 16) for _ in range(20)
    }
    assert len(serials) == 20
    assert all(0 < serial < 1 << 159 for serial in serials)
    assert max(serials) > 1 << 140


@pytest.mark.parametrize(
    ("request_", "subject", "critical"),
    [
        (leaf_request(), "db.bpm.svc", False),
        (leaf_request(dns_names=("a" * 60 + ".long.example", "short.example")), "short.example", False),
        (leaf_request(dns_names=("a" * 60 + ".long.example",)), "", True),
        (leaf_request(dns_names=("*.bpm.example.com",)), "*.bpm.example.com", False),
        (leaf_request(dns_names=(), ip_addresses=("192.0.2.1",)), "", True),
        (leaf_request(common_name="x" * 65), "db.bpm.svc", False),
        (leaf_request(common_name="ä" * 33), "db.bpm.svc", False),
        (leaf_request(common_name="chosen"), "chosen", False),
        (client_request(common_name="y" * 64), "y" * 64, False),
        (client_request(common_name="Käthe, Abt. 7"), "Käthe, Abt. 7", False),
    ],
)
def test_the_subject_is_the_first_name_that_fits(request_: object, subject: str, critical: bool) -> None:
    pair = issue_leaf(request_, root(), NOW)  # type: ignore[arg-type]
    assert parse_chain(pair.certificate_pem)[0].common_name == subject
    assert ("Subject Alternative Name: critical" in text(pair.certificate_pem)) is critical
    usage = Usage.SERVER if Usage.SERVER in request_.usages else Usage.CLIENT  # type: ignore[attr-defined]
    assert refusal(pair.certificate_pem, root().certificate_pem, usage, NOW) == ""


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (client_request(common_name="z" * 65), "commonName"),
        (client_request(common_name=""), "commonName"),
        (client_request(common_name=" bpm"), "commonName"),
        (client_request(common_name="ä" * 33), "commonName"),
        (client_request(common_name="a\x00b"), "commonName"),
        (leaf_request(common_name="a\nb"), "commonName"),
        (leaf_request(usages=frozenset()), "usages"),
        (leaf_request(dns_names=()), "dnsNames"),
        (leaf_request(dns_names=("Db.bpm.svc",)), "dnsNames"),
        (leaf_request(dns_names=("db.bpm.svc.",)), "dnsNames"),
        (leaf_request(dns_names=("a..b",)), "dnsNames"),
        (leaf_request(dns_names=("",)), "dnsNames"),
        (leaf_request(dns_names=("-a.b",)), "dnsNames"),
        (leaf_request(dns_names=("a_b.c",)), "dnsNames"),
        (leaf_request(dns_names=("a" * 64 + ".b",)), "dnsNames"),
        (leaf_request(dns_names=(".".join(["abcdefg"] * 32),)), "dnsNames"),
        (leaf_request(dns_names=("a.b\n",)), "dnsNames"),
        (leaf_request(dns_names=("bücher.example",)), "dnsNames"),
        (leaf_request(dns_names=("192.0.2.1",)), "dnsNames"),
        (leaf_request(dns_names=("a.*.b",)), "dnsNames"),
        (leaf_request(dns_names=("*",)), "dnsNames"),
        (leaf_request(dns_names=("*.svc",)), "dnsNames"),
        (leaf_request(ip_addresses=("db",)), "ipAddresses"),
        (leaf_request(ip_addresses=("2001:DB8::1",)), "ipAddresses"),
        (leaf_request(ip_addresses=("fe80::1%eth0",)), "ipAddresses"),
        (leaf_request(ip_addresses=("192.0.2.0/24",)), "ipAddresses"),
        (leaf_request(lifetime=timedelta(seconds=9)), "lifetime"),
        (leaf_request(lifetime=timedelta(days=999_999_999)), "lifetime"),
    ],
)
def test_an_impossible_leaf_is_refused_by_field(request_: object, field: str) -> None:
    with pytest.raises(PkiError) as caught:
        issue_leaf(request_, root(), NOW)  # type: ignore[arg-type]
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_FIELD, field)
    assert str(caught.value).startswith(f"{field}: ")
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"common_name": ""}, "commonName"),
        ({"common_name": "x" * 65}, "commonName"),
        ({"lifetime": timedelta(0)}, "lifetime"),
        ({"permitted_dns": (".example.com",)}, "permittedDNS"),
        ({"permitted_dns": ("*.example.com",)}, "permittedDNS"),
        ({"excluded_dns": ("",)}, "excludedDNS"),
    ],
)
def test_an_impossible_root_is_refused_by_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(PkiError) as caught:
        issue_root(root_request(**changes), NOW)
    assert (caught.value.reason, caught.value.field) == (Reason.INVALID_FIELD, field)


@pytest.mark.parametrize(
    ("lifetime", "back"),
    [
        (90 * DAY, timedelta(minutes=5)),
        (timedelta(minutes=50), timedelta(minutes=5)),
        (timedelta(minutes=10), timedelta(minutes=1)),
        (timedelta(seconds=10), timedelta(seconds=1)),
    ],
)
def test_leaves_are_back_dated_for_slow_clocks(lifetime: timedelta, back: timedelta) -> None:
    facts = parse_chain(issue_leaf(leaf_request(lifetime=lifetime), root(), NOW + DAY).certificate_pem)[0]
    assert facts.not_before == NOW + DAY - back
    assert facts.not_after == NOW + DAY + lifetime


@settings(max_examples=40, deadline=None)
@given(
    offset=st.timedeltas(timedelta(0), 9 * DAY),
    lifetime=st.timedeltas(timedelta(seconds=10), 400 * DAY),
)
def test_a_leaf_never_leaves_the_validity_of_its_issuer(offset: timedelta, lifetime: timedelta) -> None:
    issuer = issue_root(root_request(lifetime=10 * DAY), NOW)
    outer = parse_chain(issuer.certificate_pem)[0]
    inner = parse_chain(issue_leaf(leaf_request(lifetime=lifetime), issuer, NOW + offset).certificate_pem)[0]
    assert outer.not_before <= inner.not_before <= NOW + offset < inner.not_after <= outer.not_after


def test_a_leaf_is_clamped_to_every_certificate_above_it() -> None:
    top = forge("top", period=(NOW - DAY, NOW + 2 * DAY))
    middle = forge("middle", top, period=(NOW - DAY, NOW + 9 * DAY))
    issuer = KeyPair(pem(middle.certificate, top.certificate), middle.pair.key)
    leaf = issue_leaf(leaf_request(), issuer, NOW)
    assert parse_chain(leaf.certificate_pem)[0].not_after == NOW + 2 * DAY
    assert refusal(leaf.certificate_pem, pem(top.certificate), "Server", NOW, "db.bpm.svc") == ""


@pytest.mark.parametrize(
    ("now", "reason"),
    [(NOW - DAY, Reason.ISSUER_NOT_YET_VALID), (NOW + 11 * DAY, Reason.ISSUER_EXPIRED)],
)
def test_an_issuer_out_of_its_time_issues_nothing(now: datetime, reason: Reason) -> None:
    with pytest.raises(PkiError) as caught:
        issue_leaf(leaf_request(), issue_root(root_request(lifetime=10 * DAY), NOW), now)
    assert caught.value.reason == reason


def test_time_is_never_guessed() -> None:
    with pytest.raises(ValueError, match="aware"):
        issue_root(root_request(), datetime(2026, 1, 1))  # noqa: DTZ001  # the point of the test


def test_other_time_zones_are_the_same_moment() -> None:
    local = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert parse_chain(issue_root(root_request(), local).certificate_pem)[0].not_after == NOW + 3650 * DAY
    assert parse_chain(root().certificate_pem)[0].not_after.tzinfo == UTC


def test_the_chain_holds_intermediates_but_no_root() -> None:
    top = forge("top")
    middle = forge("middle", top)
    for chain in (pem(middle.certificate), pem(middle.certificate, top.certificate)):
        leaf = issue_leaf(leaf_request(), KeyPair(chain, middle.pair.key), NOW)
        assert [facts.common_name for facts in parse_chain(leaf.certificate_pem)] == ["db.bpm.svc", "middle"]
    assert len(parse_chain(issue_leaf(leaf_request(), root(), NOW).certificate_pem)) == 1


def test_a_cross_signed_successor_of_the_same_name_stays_in_the_chain() -> None:
    old = forge("authority")
    new = forge("authority", old)
    leaf = issue_leaf(leaf_request(), new.pair, NOW)
    assert len(parse_chain(leaf.certificate_pem)) == 2
    assert refusal(leaf.certificate_pem, pem(old.certificate), "Server", NOW, "db.bpm.svc") == ""


def _below(top: Made, *, above: Made | None = None, weak_hash: bool = False) -> KeyPair:
    """An intermediate with what is said to stand above it."""
    middle = forge("middle", top, weak_hash=weak_hash)
    return KeyPair(pem(middle.certificate, (above or top).certificate), middle.pair.key)


def test_an_issuer_without_key_identifier_is_served() -> None:
    key = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=bare -days 20 -keyout -"
    both = openssl(*key.split()[1:], "-addext", "subjectKeyIdentifier=none", "-addext", "authorityKeyIdentifier=none")
    secret, _, certificate = both.partition("-----BEGIN CERTIFICATE-----")
    issuer = KeyPair(f"-----BEGIN CERTIFICATE-----{certificate}".encode(), Sealed(secret.encode()))
    now = datetime.now(UTC)
    leaf = issue_leaf(leaf_request(), issuer, now)
    assert parse_chain(issuer.certificate_pem)[0].subject_key_id == ""
    verify(leaf.certificate_pem, issuer.certificate_pem, server_name="db.bpm.svc", usage=Usage.SERVER, now=now)


@pytest.mark.parametrize(
    ("issuer", "reason"),
    [
        (lambda: KeyPair(root().certificate_pem, generate_key(Algorithm.ECDSA_P256)), Reason.KEY_MISMATCH),
        (lambda: KeyPair(root().certificate_pem, generate_key(Algorithm.ED25519)), Reason.KEY_MISMATCH),
        (lambda: KeyPair(root().certificate_pem, Sealed(b"no key")), Reason.INVALID_KEY),
        (lambda: issue_leaf(leaf_request(), root(), NOW), Reason.NOT_AN_AUTHORITY),
        (lambda: forge("mute", sign_certs=False).pair, Reason.NOT_AN_AUTHORITY),
        (lambda: KeyPair(b"", root().key), Reason.NO_CERTIFICATE),
        (
            lambda: KeyPair(root().certificate_pem + pem(forge("stranger").certificate), root().key),
            Reason.CHAIN_BROKEN,
        ),
        (lambda: _below(forge("top"), above=forge("top")), Reason.CHAIN_BROKEN),
        (lambda: _below(forge("top"), weak_hash=True), Reason.WEAK_ALGORITHM),
    ],
)
def test_an_unfit_issuer_is_named(issuer: object, reason: Reason) -> None:
    with pytest.raises(PkiError) as caught:
        issue_leaf(leaf_request(), issuer(), NOW)  # type: ignore[operator]
    assert caught.value.reason == reason


def faulty_rsa() -> KeyPair:
    """A key whose public half is right and whose signatures are not."""
    pair = root(Algorithm.RSA_2048)
    key = load_key(pair.key)
    assert isinstance(key, rsa.RSAPrivateKey)
    right = key.private_numbers()
    wrong = rsa.RSAPrivateNumbers(
        right.p, right.q, right.d ^ 2, right.dmp1 ^ 2, right.dmq1 ^ 2, right.iqmp, right.public_numbers
    )
    return KeyPair(pair.certificate_pem, seal_key(wrong.private_key(unsafe_skip_rsa_key_validation=True)))


def test_a_faulty_signature_never_leaves() -> None:
    with pytest.raises(PkiError) as caught:
        issue_leaf(leaf_request(), faulty_rsa(), NOW)
    assert caught.value.reason == Reason.SELF_CHECK_FAILED


CONSTRAINED = root_request(permitted_dns=("bpm.svc", "example.com"), excluded_dns=("secret.example.com",))


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (leaf_request(dns_names=("db.bpm.svc", "x.other.svc")), "x.other.svc"),
        (leaf_request(dns_names=("evilbpm.svc",)), "evilbpm.svc"),
        (leaf_request(dns_names=("svc",)), "svc"),
        (leaf_request(dns_names=("a.secret.example.com",)), "a.secret.example.com"),
        (leaf_request(dns_names=("secret.example.com",)), "secret.example.com"),
        (leaf_request(dns_names=("*.example.com",)), "*.example.com"),
        (client_request(common_name="batch.other.org"), "batch.other.org"),
    ],
)
def test_a_leaf_outside_the_name_constraints_is_refused_by_name(request_: object, name: str) -> None:
    with pytest.raises(PkiError) as caught:
        issue_leaf(request_, issue_root(CONSTRAINED, NOW), NOW)  # type: ignore[arg-type]
    assert caught.value.reason == Reason.NAME_NOT_PERMITTED
    assert f"'{name}'" in str(caught.value)
    assert caught.value.field in {"dnsNames", "commonName"}


@pytest.mark.parametrize(
    "request_",
    [
        leaf_request(dns_names=("bpm.svc", "a.b.bpm.svc", "*.bpm.svc", "public.example.com")),
        leaf_request(dns_names=("db.bpm.svc",), ip_addresses=("192.0.2.1",)),
        client_request(common_name="batch"),
        client_request(common_name="batch.bpm.svc"),
        client_request(common_name="Dr. Who"),
    ],
)
def test_openssl_accepts_all_that_a_constrained_root_issues(request_: object) -> None:
    issuer = issue_root(CONSTRAINED, NOW)
    leaf = issue_leaf(request_, issuer, NOW)  # type: ignore[arg-type]
    usage = next(iter(request_.usages))  # type: ignore[attr-defined]
    assert refusal(leaf.certificate_pem, issuer.certificate_pem, usage, NOW) == ""
    verify(leaf.certificate_pem, issuer.certificate_pem, server_name=None, usage=usage, now=NOW)


def test_the_constraints_stand_in_the_root_and_openssl_enforces_them() -> None:
    issuer = issue_root(CONSTRAINED, NOW)
    facts = parse_chain(issuer.certificate_pem)[0]
    assert (facts.permitted_dns, facts.excluded_dns) == (CONSTRAINED.permitted_dns, CONSTRAINED.excluded_dns)
    assert "Name Constraints: critical" in text(issuer.certificate_pem)
    free = issue_root(root_request(), NOW)
    assert (
        refusal(
            issue_leaf(leaf_request(dns_names=("x.org",)), free, NOW).certificate_pem,
            free.certificate_pem,
            "Server",
            NOW,
        )
        == ""
    )
    subtree = x509.NameConstraints([x509.DNSName("example.com")], None)
    above = forge("above", extra=[(subtree, True)])
    below = forge("below", above)
    leaf = issue_leaf(leaf_request(dns_names=("x.org",)), below.pair, NOW)  # the issuer does not know of `above`
    assert "permitted subtree violation" in refusal(leaf.certificate_pem, pem(above.certificate), "Server", NOW)
    with pytest.raises(PkiError, match="outside the name constraints"):
        issue_leaf(
            leaf_request(dns_names=("x.org",)), KeyPair(pem(below.certificate, above.certificate), below.pair.key), NOW
        )
