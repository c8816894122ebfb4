"""Text of the Common Expression Language, put together so that nothing in a value can become an operator."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Scalar: TypeAlias = bool | int | str
Operator: TypeAlias = Literal["", "&&", "||"]

_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")
# members of these names would need Kubernetes' `__name__` spelling; no field of a pod that is judged has one
_RESERVED = re.compile(
    "true|false|null|in|as|break|const|continue|else|for|function|if|import|let|loop|package|namespace|return|var|void|"
    "while"
)


@dataclass(frozen=True, slots=True)
class Cel:
    """An expression, and the operator that stands between its outermost parts (empty: it needs no brackets)."""

    text: str
    operator: Operator = ""


def cel_string(text: str) -> str:
    """A string literal of CEL whose value is `text`, whatever `text` holds."""
    return "'" + "".join(map(_escaped, text)) + "'"


def literal(value: Scalar) -> str:
    """A boolean, an integer or a string as CEL writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return cel_string(value) if isinstance(value, str) else str(value)


def literals(values: Iterable[Scalar]) -> str:
    """A list literal."""
    return f"[{', '.join(map(literal, values))}]"


def member(value: str, name: str) -> str:
    """A member of an object.

    Raises:
        ValueError: CEL would read the name as something else.
    """
    if not _NAME.fullmatch(name) or _RESERVED.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a member in CEL")
    return f"{value}.{name}"


def entry(value: str, key: str) -> str:
    """An entry of a map; `key` is an expression."""
    return f"{value}[{key}]"


def all_of(*parts: Cel) -> Cel:
    """Every part holds."""
    return _joined("&&", parts)


def any_of(*parts: Cel) -> Cel:
    """At least one part holds."""
    return _joined("||", parts)


def every(values: str, variable: str, condition: Cel) -> Cel:
    """The condition holds for every item of a list, or every key of a map."""
    return Cel(f"{values}.all({variable}, {condition.text})")


def _joined(operator: Operator, parts: tuple[Cel, ...]) -> Cel:
    if len(parts) == 1:
        return parts[0]
    return Cel(f" {operator} ".join(_operand(part, operator) for part in parts), operator)


def _operand(part: Cel, operator: Operator) -> str:
    return part.text if part.operator in ("", operator) else f"({part.text})"


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
