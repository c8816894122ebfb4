"""Secrets that are planted to be looked for, in every form in which they might get out."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

TELLING = 24
"""Characters of a form that cannot stand in a text by chance; shorter secrets are looked for whole."""

_PRIVATE = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\n(.*?)-----END", re.DOTALL)


@dataclass(frozen=True)
class Canary:
    """A secret and where it lies."""

    place: str
    content: bytes = field(repr=False)

    def leaks_in(self, text: str) -> list[str]:
        """Names of the forms in which (a piece of) it stands in the text."""
        return sorted({form for form, piece in self._pieces() if piece in text})

    def _pieces(self) -> Iterator[tuple[str, str]]:
        for form, text in _forms(self.content):
            if len(text) <= 2 * TELLING:
                yield form, text
            else:
                # A log may wrap or cut: pieces side by side find whatever is longer than two of them.
                yield from ((form, text[at : at + TELLING]) for at in range(0, len(text) - TELLING + 1, TELLING))


def _forms(content: bytes) -> Iterator[tuple[str, str]]:
    key = _PRIVATE.search(content)
    if key:
        body = key[1].replace(b"\n", b"")
        start, end = _private_part(body)
        yield from _encodings(body[start:end])
        yield from _encodings(base64.b64decode(body)[start // 4 * 3 : end // 4 * 3])
        # As it stands, in its lines of 64 characters.
        content = key[1][start + start // 64 : end + end // 64]
    yield from _encodings(content)


def _private_part(body: bytes) -> tuple[int, int]:
    """Where PKCS #8 has what is secret: of an elliptic key the number itself, of RSA what follows the modulus."""
    return (52, 88) if len(body) < 400 else (600, len(body) // 4 * 4 - 4)


def _encodings(content: bytes) -> Iterator[tuple[str, str]]:
    yield "hex", content.hex()
    yield "HEX", content.hex().upper()
    yield "Python", repr(content)[2:-1]
    for shift in range(3):
        # As it looks inside of something longer that was encoded as a whole; the ends depend on the neighbours.
        encoded = base64.b64encode(b"\0" * shift + content).decode()
        yield f"base64, shifted by {shift}", encoded[4 if shift else 0 : len(encoded) // 4 * 4 - 4]
    yield "base64 for URLs", base64.urlsafe_b64encode(content).decode().rstrip("=")
    yield "URL", quote(content, safe="")
    yield "form", quote_plus(content)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return
    yield "plain", text
    yield "backwards", text[::-1]
    yield "JSON", json.dumps(text)[1:-1]
    yield "JSON in UTF-8", json.dumps(text, ensure_ascii=False)[1:-1]
