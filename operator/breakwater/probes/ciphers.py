"""Cipher suites by both of their names: IANA's, which a channel declares, and OpenSSL's, which this process offers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

TLS13_SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")

_KEY_EXCHANGES = {
    "ECDHE_ECDSA": "ECDHE-ECDSA-",
    "ECDHE_RSA": "ECDHE-RSA-",
    "DHE_RSA": "DHE-RSA-",
    "RSA": "",
}
_CIPHERS = {
    "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
    "AES_128_CBC_SHA": "AES128-SHA",
    "AES_256_CBC_SHA": "AES256-SHA",
    "AES_128_CBC_SHA256": "AES128-SHA256",
    "AES_256_CBC_SHA256": "AES256-SHA256",
    "AES_256_CBC_SHA384": "AES256-SHA384",
}
_EXIST_NOT = {"RSA+CHACHA20_POLY1305_SHA256", "ECDHE_ECDSA+AES_256_CBC_SHA256", "ECDHE_RSA+AES_256_CBC_SHA256"} | {
    "DHE_RSA+AES_256_CBC_SHA384",
    "RSA+AES_256_CBC_SHA384",
}

OPENSSL_NAMES = {suite: suite for suite in TLS13_SUITES} | {
    f"TLS_{exchange}_WITH_{cipher}": _KEY_EXCHANGES[exchange] + _CIPHERS[cipher]
    for exchange, cipher in product(_KEY_EXCHANGES, _CIPHERS)
    if f"{exchange}+{cipher}" not in _EXIST_NOT
}
_IANA_NAMES = {openssl: iana for iana, openssl in OPENSSL_NAMES.items()}


def iana_name(openssl: str) -> str:
    """IANA's name of a suite; one that no channel can declare keeps OpenSSL's name."""
    return _IANA_NAMES.get(openssl, openssl)


def tls12_offer(suites: Iterable[str]) -> str:
    """OpenSSL's cipher string for the TLS 1.2 suites among these IANA names; empty when there is none."""
    return ":".join(OPENSSL_NAMES[suite] for suite in suites if suite not in TLS13_SUITES)


def allows(suites: Iterable[str], negotiated: str) -> bool:
    """Whether a declaration of suites admits the negotiated one (IANA name).

    No suite at all restricts nothing. A list without a TLS 1.3 suite restricts TLS 1.2 only, as the cipher settings of
    servers do: all suites of TLS 1.3 are strong, and most servers cannot turn them off one by one.
    """
    declared = frozenset(suites)
    if not declared or (negotiated in TLS13_SUITES and declared.isdisjoint(TLS13_SUITES)):
        return True
    return negotiated in declared
