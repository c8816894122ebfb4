from __future__ import annotations

import functools
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwater.pki import Algorithm, PkiError, Reason, build_bundle, bundle_digest, generate_key, parse_bundle
from tests.unit.pki.forge import DAY, NOW, forge, forge_server, pem

OLD_PERIOD = (NOW - 20 * DAY, NOW - DAY)
FUTURE_PERIOD = (NOW + DAY, NOW + 9 * DAY)


@functools.cache
def roots() -> tuple[bytes, ...]:
    return tuple(pem(forge(f"root {number}").certificate) for number in range(4))


@given(st.permutations(range(4)), st.lists(st.integers(0, 3)), st.booleans())
def test_order_repetition_and_grouping_do_not_show(order: list[int], again: list[int], joined: bool) -> None:
    texts = [roots()[number] for number in (*order, *again)]
    bundle = build_bundle([b"".join(texts)] if joined else texts)
    assert bundle == build_bundle(roots())
    assert bundle_digest(bundle) == bundle_digest(build_bundle(roots()))


@given(st.sets(st.integers(0, 3), min_size=1))
def test_a_bundle_of_a_bundle_is_itself(members: set[int]) -> None:
    bundle = build_bundle(roots()[number] for number in members)
    assert build_bundle([bundle]) == bundle
    assert len(parse_bundle(bundle)) == len(members)


def test_bundles_of_other_authorities_differ_in_digest() -> None:
    assert bundle_digest(build_bundle(roots()[:2])) != bundle_digest(build_bundle(roots()[1:3]))


def test_only_plain_blocks_remain() -> None:
    commented = b"# internal\r\n" + roots()[0].replace(b"\n", b"\r\n")
    assert build_bundle([commented]) == roots()[0]


def test_expired_authorities_leave_when_a_time_is_given_and_future_ones_stay() -> None:
    old, future = (pem(forge("x", period=period).certificate) for period in (OLD_PERIOD, FUTURE_PERIOD))
    texts = [old, future, roots()[0]]
    assert build_bundle(texts, NOW) == build_bundle([future, roots()[0]])
    assert len(parse_bundle(build_bundle(texts))) == 3
    last_second = parse_bundle(old)[0].not_after
    assert build_bundle([old], last_second) == old
    with pytest.raises(PkiError) as caught:
        build_bundle([old], last_second + timedelta(microseconds=1))
    assert caught.value.reason == Reason.NO_CERTIFICATE


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ([], Reason.NO_CERTIFICATE),
        ([b""], Reason.NO_CERTIFICATE),
        ([roots, pem(forge_server(None).certificate)], Reason.NOT_AN_AUTHORITY),
        ([generate_key(Algorithm.ED25519).open()], Reason.PRIVATE_KEY_EXPOSED),
    ],
)
def test_what_is_no_authority_is_refused(texts: list[object], reason: Reason) -> None:
    with pytest.raises(PkiError) as caught:
        build_bundle([text()[0] if callable(text) else text for text in texts])  # type: ignore[misc]
    assert caught.value.reason == reason


def test_a_bundle_of_more_certificates_than_anybody_needs_is_refused_before_they_are_all_read() -> None:
    one = pem(forge("root").certificate)
    assert build_bundle([one * 512]) == one
    with pytest.raises(PkiError) as caught:
        build_bundle([one * 513])
    assert caught.value.reason is Reason.BUNDLE_TOO_LARGE


@pytest.mark.parametrize("filler", [b"\n", b"x\n", b"x", b"\r\n"])
def test_text_between_certificates_is_leapt_over_however_much_it_is(filler: bytes) -> None:
    one = pem(forge("root").certificate)
    assert build_bundle([filler * 1000 + b"\n" + one + filler * 1000 + b"\n" + one]) == one
