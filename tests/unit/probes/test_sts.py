"""Strict-Transport-Security as browsers read it (RFC 6797, section 6.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwater.probes.web import Sts, parse_sts

HEADERS: dict[bytes, Sts | None] = {
    b"max-age=31536000": Sts(31536000),
    b"max-age=31536000; includeSubDomains": Sts(31536000, include_sub_domains=True),
    b"includesubdomains;PRELOAD ; Max-Age=5": Sts(5, include_sub_domains=True, preload=True),
    b'max-age="600"': Sts(600),
    b"max-age=0": Sts(0),
    b";;max-age=1;": Sts(1),
    b"max-age=1; unknown=x": Sts(1),
    b"": None,
    b"includeSubDomains": None,
    b"max-age": None,
    b"max-age=": None,
    b"max-age=-1": None,
    b"max-age=1.5": None,
    b"max-age=1; max-age=2": None,
    b"max-age=1; preload; preload": None,
    "max-age=\u0661".encode(): None,
    b"max-age=" + b"9" * 19: None,
}


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_is_read_as_browsers_read_it(header: bytes) -> None:
    assert parse_sts(header) == HEADERS[header]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_header_or_none(value: bytes) -> None:
    found = parse_sts(value)
    assert found is None or found.max_age >= 0


@given(
    age=st.integers(0, 10**18 - 1), sub_domains=st.booleans(), preload=st.booleans(), spaces=st.text(" \t", max_size=3)
)
def test_what_was_composed_is_read_back(age: int, sub_domains: bool, preload: bool, spaces: str) -> None:
    parts = [f"max-age={age}", *(["includeSubDomains"] * sub_domains), *(["preload"] * preload)]
    assert parse_sts(f"{spaces};{spaces}".join(parts).encode()) == Sts(age, sub_domains, preload)
