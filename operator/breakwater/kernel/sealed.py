"""A box for secret bytes that can be carried, compared and hashed, but not shown by accident."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Iterator
from typing import Any, Final, NoReturn, Self, SupportsIndex, final

_PROCESS_KEY: Final = secrets.token_bytes(32)
_MINIMUM_KEY: Final = 32

_TELLING: Final = 8
"""So many characters of a secret are in no text by chance."""


@final
class Sealed:
    """Secret bytes; `open()` is the only way out.

    No representation shows the content or its length, and no serialisation (pickle, JSON, `dataclasses.asdict`) takes
    it along. Equality takes constant time. The hash is keyed per process: good for sets, worthless elsewhere.

    There is deliberately no plain digest to publish: a hash of a password in an annotation can be guessed offline.
    Where a stable mark is needed, `fingerprint` takes a key that the reader of the mark does not have.
    """

    __slots__ = ("__content",)
    __content: bytes

    def __init__(self, content: bytes) -> None:
        if type(content) is not bytes:
            raise TypeError(f"only bytes can be sealed, not {type(content).__name__}")
        object.__setattr__(self, "_Sealed__content", content)

    def open(self) -> bytes:
        """The secret itself: for the code that writes, sends or signs with it, and nobody else."""
        return self.__content

    def fingerprint(self, key: bytes) -> str:
        """A mark of the content (HMAC-SHA-256, hex) that is stable across processes and useless without `key`.

        Raises:
            ValueError: `key` has fewer than 32 bytes.
        """
        if len(key) < _MINIMUM_KEY:
            raise ValueError(f"key: needs at least {_MINIMUM_KEY} random bytes")
        return hmac.new(key, self.__content, hashlib.sha256).hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sealed):
            return NotImplemented
        return hmac.compare_digest(self.__content, other.__content)

    def __hash__(self) -> int:
        mark = hashlib.blake2b(self.__content, key=_PROCESS_KEY, digest_size=8)
        return int.from_bytes(mark.digest(), "big")

    def __repr__(self) -> str:
        return "<sealed>"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a sealed value cannot be serialised")

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        self.__reduce__()

    def __getstate__(self) -> NoReturn:
        self.__reduce__()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a sealed value cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a sealed value cannot be changed")


def quotes(text: str, contents: Iterable[Sealed]) -> bool:
    """Whether a text, such as the reason of a refusal, repeats a secret or a part of one, plain or in base64."""
    pieces = set(_pieces(text))
    return any(
        form in text if len(form) < _TELLING else not pieces.isdisjoint(_pieces(form))
        for content in contents
        for form in (content.open().decode(errors="replace"), base64.b64encode(content.open()).decode())
        if form
    )


def _pieces(text: str) -> Iterator[str]:
    return (text[start : start + _TELLING] for start in range(len(text) - _TELLING + 1))
