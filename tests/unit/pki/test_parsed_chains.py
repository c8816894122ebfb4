from __future__ import annotations

import base64
import functools
import hashlib
import traceback
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from breakwater.kernel.sealed import Sealed
from breakwater.pki import (
    Algorithm,
    PkiError,
    Reason,
    Usage,
    generate_key,
    issue_leaf,
    issue_root,
    key_matches,
    key_spki,
    parse_bundle,
    parse_chain,
    verify,
)
from breakwater.pki.keys import load_key
from breakwater.pki.names import fits_common_name
from tests.unit.pki.forge import NOW, forge, leaf_request, pem, root_request
from tests.unit.pki.openssl import openssl

CANARY = "canary-key-content"


@functools.cache
def good() -> bytes:
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("spiffe://a/b"), x509.DNSName("db.bpm.svc")])
    return pem(forge("leaf", forge("root"), ca=False, extra=[(names, False)]).certificate, forge("root").certificate)


@settings(max_examples=400)
@given(st.one_of(st.binary(), st.text().map(str.encode), st.binary().map(lambda junk: good() + junk)))
def test_arbitrary_bytes_raise_nothing_but_pki_errors(pem_text: bytes) -> None:
    try:
        assert 1 <= len(parse_chain(pem_text)) <= 16
    except PkiError as error:
        assert error.reason in Reason  # noqa: PT017  # both outcomes are right


@settings(max_examples=600, deadline=None)
@given(position=st.integers(0, 10_000), value=st.binary(min_size=1, max_size=3))
def test_damaged_certificates_raise_nothing_but_pki_errors(position: int, value: bytes) -> None:
    der = x509.load_pem_x509_certificate(good()).public_bytes(Encoding.DER)
    at = position % len(der)
    damaged = der[:at] + value + der[at + len(value) :]
    block = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(damaged) + b"-----END CERTIFICATE-----\n"
    for attempt in (
        lambda: parse_chain(block),
        lambda: verify(block, good(), server_name="db.bpm.svc", usage=Usage.SERVER, now=NOW),
        lambda: verify(good(), block, server_name="db.bpm.svc", usage=Usage.SERVER, now=NOW),
        lambda: verify(good() + block, block, server_name=None, usage=Usage.SERVER, now=NOW),
    ):
        try:
            attempt()
        except PkiError as error:
            assert error.__suppress_context__ or error.__context__ is None  # noqa: PT017  # both outcomes are right


LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


@settings(max_examples=40, deadline=None)
@given(
    dns=st.lists(st.lists(LABEL, min_size=1, max_size=4).map(".".join), min_size=1, max_size=4, unique=True),
    addresses=st.lists(st.ip_addresses().map(str), max_size=3, unique=True).filter(
        lambda all_: "%" not in "".join(all_)
    ),
    usages=st.frozensets(st.sampled_from(Usage), min_size=1),
    common_name=st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=64).filter(
        fits_common_name
    ),
)
def test_what_was_asked_for_is_what_the_facts_say(
    dns: list[str], addresses: list[str], usages: frozenset[Usage], common_name: str
) -> None:
    asked = leaf_request(dns_names=tuple(dns), ip_addresses=tuple(addresses), usages=usages, common_name=common_name)
    root = issue_root(root_request(), NOW)
    facts = parse_chain(issue_leaf(asked, root, NOW).certificate_pem)[0]
    assert facts.dns_names == tuple(dns)
    assert facts.ip_addresses == tuple(addresses)
    assert facts.common_name == common_name
    assert facts.extended_key_usages == {f"{usage.value.lower()}Auth" for usage in usages}
    assert facts.authority_key_id == parse_chain(root.certificate_pem)[0].subject_key_id
    assert (facts.is_ca, facts.issuer) == (False, "CN=test root")


def test_the_facts_agree_with_openssl() -> None:
    facts = parse_chain(good())[0]
    der_hash = openssl("x509", "-noout", "-fingerprint", "-sha256", stdin=good()).partition("=")[2].strip()
    assert facts.fingerprint == der_hash.replace(":", "").lower()
    serial = openssl("x509", "-noout", "-serial", stdin=good()).partition("=")[2].strip()
    assert int(facts.serial, 16) == int(serial, 16)
    assert facts.uris == ("spiffe://a/b",)
    assert facts.not_after - facts.not_before == timedelta(days=11)
    public = openssl("x509", "-noout", "-pubkey", stdin=good())
    body = "".join(public.splitlines()[1:-1])
    assert facts.spki == hashlib.sha256(base64.b64decode(body)).hexdigest()


def with_key(pem_text: bytes) -> bytes:
    return pem_text + generate_key(Algorithm.ECDSA_P256).open()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_key, Reason.PRIVATE_KEY_EXPOSED),
        (lambda text: text.replace(b"CERTIFICATE-----", b"RSA PRIVATE KEY-----"), Reason.PRIVATE_KEY_EXPOSED),
        (lambda text: text.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"), Reason.UNEXPECTED_BLOCK),
        (lambda text: text.replace(b"CERTIFICATE", b"CERTIFICATE REQUEST"), Reason.UNEXPECTED_BLOCK),
        (lambda text: text.replace(b"E-----\n", b"E-----\nProc-Type: 4,ENCRYPTED\n\n", 1), Reason.MALFORMED_PEM),
        (lambda text: text.replace(b"-----END CERTIFICATE-----\n", b"", 1), Reason.MALFORMED_PEM),
        (lambda text: text[: text.rindex(b"-----END")], Reason.MALFORMED_PEM),
        (lambda text: b"-----END CERTIFICATE-----\n" + text, Reason.MALFORMED_PEM),
        (lambda text: text.replace(b"-----BEGIN", b"------BEGIN", 1), Reason.MALFORMED_PEM),
        (lambda text: text.replace(b"\n", b"*\n", 2), Reason.MALFORMED_PEM),
        (lambda text: text.replace(b"\n", b"", 2), Reason.MALFORMED_PEM),
        (lambda text: text * 9, Reason.CHAIN_TOO_LONG),
        (lambda _: b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", Reason.MALFORMED_CERTIFICATE),
        (lambda _: b"nothing", Reason.NO_CERTIFICATE),
    ],
)
def test_what_is_not_exactly_certificates_is_refused(change: object, reason: Reason) -> None:
    with pytest.raises(PkiError) as caught:
        parse_chain(change(good()))  # type: ignore[operator]
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"# corporate root\nsubject=CN = x\n" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.rstrip(b"\n"),
        lambda text: text.replace(b"-----END CERTIFICATE-----\n", b"-----END CERTIFICATE----- \n\n \n"),
    ],
)
def test_explanatory_text_and_line_ends_do_not_matter(change: object) -> None:
    assert parse_chain(change(good())) == parse_chain(good())  # type: ignore[operator]


def test_a_key_usage_that_allows_nothing_does_not_pass_for_no_restriction() -> None:
    empty = (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.15"), b"\x03\x02\x07\x00"), True)
    builder = x509.CertificateBuilder(issuer_name=x509.Name([]), subject_name=x509.Name([]), serial_number=1)
    key = load_key(generate_key(Algorithm.ECDSA_P256))
    builder = builder.public_key(key.public_key()).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    with pytest.raises(PkiError) as caught:
        parse_chain(pem(builder.add_extension(*empty).sign(key, SHA256())))
    assert caught.value.reason == Reason.MALFORMED_CERTIFICATE


def test_a_bundle_may_be_empty_and_long() -> None:
    assert parse_bundle(b"") == ()
    assert len(parse_bundle(good() * 20)) == 40


@pytest.mark.parametrize("algorithm", [Algorithm.ECDSA_P384, Algorithm.ED25519, Algorithm.RSA_2048])
def test_a_key_belongs_to_its_own_certificate_only(algorithm: Algorithm) -> None:
    pair, other = issue_root(root_request(algorithm=algorithm), NOW), issue_root(root_request(), NOW)
    assert key_matches(pair.key, pair.certificate_pem)
    assert not key_matches(other.key, pair.certificate_pem)
    assert key_spki(pair.key) == parse_chain(pair.certificate_pem)[0].spki


@functools.cache
def encrypted_key() -> bytes:
    key = load_key(generate_key(Algorithm.ECDSA_P256))
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", Reason.INVALID_KEY),
        (CANARY.encode(), Reason.INVALID_KEY),
        (b"-----BEGIN PRIVATE KEY-----\nY2FuYXJ5LWtleS1jb250ZW50\n-----END PRIVATE KEY-----\n", Reason.INVALID_KEY),
        (encrypted_key, Reason.ENCRYPTED_KEY),
        (lambda: openssl("genpkey", "-algorithm", "X25519").encode(), Reason.UNSUPPORTED_KEY),
        (lambda: openssl("genpkey", "-algorithm", "ED448").encode(), Reason.UNSUPPORTED_KEY),
        (
            lambda: openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024").encode(),
            Reason.UNSUPPORTED_KEY,
        ),
    ],
)
def test_an_unusable_key_is_named_and_not_shown(content: object, reason: Reason) -> None:
    key = Sealed(content() if callable(content) else content)  # type: ignore[arg-type]
    with pytest.raises(PkiError) as caught:
        key_spki(key)
    assert caught.value.reason == reason
    shown = "".join(traceback.format_exception(caught.value))
    assert CANARY not in shown
    assert key.open() == b"" or key.open().decode() not in shown


@settings(max_examples=200, deadline=None)
@given(position=st.integers(0, 10_000), value=st.binary(min_size=1, max_size=4))
def test_damaged_keys_raise_nothing_but_pki_errors(position: int, value: bytes) -> None:
    content = damageable_key()
    at = position % len(content)
    try:
        assert len(key_spki(Sealed(content[:at] + value + content[at + len(value) :]))) == 64
    except PkiError as error:
        assert error.reason in Reason  # noqa: PT017  # both outcomes are right


@functools.cache
def damageable_key() -> bytes:
    return generate_key(Algorithm.RSA_2048).open()
