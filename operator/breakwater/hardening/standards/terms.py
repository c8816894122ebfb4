"""Conditions on one value of a manifest. Each says itself twice, in CEL and in Python, from the same members.

A member that is null counts as absent, as it does to the API server. A value of another shape than the API's (a text
where a list belongs) is passed over: the API server refuses such a manifest by its schema.
"""
# ruff: noqa: D102 - Term says once what the methods of all of them mean

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from breakwater.hardening.standards.cel import (
    Cel,
    Scalar,
    all_of,
    any_of,
    cel_string,
    entry,
    every,
    literal,
    literals,
    member,
)


class Term(ABC):
    """A condition on a value."""

    @abstractmethod
    def cel(self, value: str) -> Cel:
        """The condition, true when it holds, on the value that the expression `value` names."""

    @abstractmethod
    def broken(self, value: Any, path: str) -> Iterator[str]:
        """The paths that break it at or below `path`, where `value` stands; none when it holds."""

    def lacking(self, path: str) -> str:
        """The path to blame where the value itself is absent."""
        return path


@dataclass(frozen=True, slots=True)
class At(Term):
    """A condition on the member at a dotted path; an absent one meets it unless it is `required`."""

    path: str
    term: Term
    required: bool = False

    def cel(self, value: str) -> Cel:
        members = self._members(value)
        if self.required:
            return all_of(*(Cel(f"has({name})") for name in members), self.term.cel(members[-1]))
        return any_of(*(Cel(f"!has({name})") for name in members), self.term.cel(members[-1]))

    def present(self, value: str) -> Cel:
        """That the member is there, in CEL."""
        return all_of(*(Cel(f"has({name})") for name in self._members(value)))

    def found(self, value: Any) -> Any:
        """The member, or None."""
        for step in self.path.split("."):
            value = entries_of(value).get(step)
        return value

    def broken(self, value: Any, path: str) -> Iterator[str]:
        found = self.found(value)
        if found is not None:
            yield from self.term.broken(found, f"{path}.{self.path}")
        elif self.required:
            yield self.lacking(path)

    def lacking(self, path: str) -> str:
        return self.term.lacking(f"{path}.{self.path}")

    def _members(self, value: str) -> list[str]:
        names = []
        for step in self.path.split("."):
            value = member(value, step)
            names.append(value)
        return names


@dataclass(frozen=True, slots=True)
class Is(Term):
    """The value itself."""

    wanted: Scalar

    def cel(self, value: str) -> Cel:
        return Cel(f"{value} == {literal(self.wanted)}")

    def broken(self, value: Any, path: str) -> Iterator[str]:
        if type(value) is not type(self.wanted) or value != self.wanted:
            yield path


@dataclass(frozen=True, slots=True)
class IsNot(Term):
    """Any value but one."""

    unwanted: Scalar

    def cel(self, value: str) -> Cel:
        return Cel(f"{value} != {literal(self.unwanted)}")

    def broken(self, value: Any, path: str) -> Iterator[str]:
        if value == self.unwanted:
            yield path


@dataclass(frozen=True, slots=True)
class OneOf(Term):
    """One of several texts."""

    allowed: tuple[str, ...]

    def cel(self, value: str) -> Cel:
        return Cel(f"{value} in {literals(self.allowed)}")

    def broken(self, value: Any, path: str) -> Iterator[str]:
        if value not in self.allowed:
            yield path


@dataclass(frozen=True, slots=True)
class StartsWith(Term):
    """A text with a given beginning."""

    prefix: str

    def cel(self, value: str) -> Cel:
        return Cel(f"{value}.startsWith({cel_string(self.prefix)})")

    def broken(self, value: Any, path: str) -> Iterator[str]:
        if not str(value).startswith(self.prefix):
            yield path


@dataclass(frozen=True, slots=True)
class Contains(Term):
    """A list with a given item."""

    item: str

    def cel(self, value: str) -> Cel:
        return Cel(f"{literal(self.item)} in {value}")

    def broken(self, value: Any, path: str) -> Iterator[str]:
        if self.item not in items_of(value):
            yield path


@dataclass(frozen=True, slots=True)
class Each(Term):
    """Every item of a list; `variable` names an item in CEL."""

    variable: str
    term: Term

    def cel(self, value: str) -> Cel:
        return every(value, self.variable, self.term.cel(self.variable))

    def broken(self, value: Any, path: str) -> Iterator[str]:
        for index, item in enumerate(items_of(value)):
            yield from self.term.broken(item, f"{path}[{index}]")


@dataclass(frozen=True, slots=True)
class EachNamed(Term):
    """Every entry of a map of texts whose key has a given beginning."""

    prefix: str
    term: Term

    def cel(self, value: str) -> Cel:
        other = Cel(f"!key.startsWith({cel_string(self.prefix)})")
        return every(value, "key", any_of(other, self.term.cel(entry(value, "key"))))

    def broken(self, value: Any, path: str) -> Iterator[str]:
        for key, text in entries_of(value).items():
            if str(key).startswith(self.prefix):
                yield from self.term.broken(text, f"{path}[{key}]")


@dataclass(frozen=True, slots=True)
class Entry(Term):
    """One entry of a map of texts, where it is there."""

    key: str
    term: Term

    def cel(self, value: str) -> Cel:
        key = cel_string(self.key)
        return any_of(Cel(f"!({key} in {value})"), self.term.cel(entry(value, key)))

    def broken(self, value: Any, path: str) -> Iterator[str]:
        text = entries_of(value).get(self.key)
        if text is not None:
            yield from self.term.broken(text, f"{path}[{self.key}]")


@dataclass(frozen=True, slots=True)
class Without(Term):
    """An object that lacks a member."""

    name: str

    def cel(self, value: str) -> Cel:
        return Cel(f"!has({member(value, self.name)})")

    def broken(self, value: Any, path: str) -> Iterator[str]:
        if entries_of(value).get(self.name) is not None:
            yield f"{path}.{self.name}"


@dataclass(frozen=True, slots=True)
class HasOneOf(Term):
    """A union, such as a volume, with one of several members.

    Attributes:
        members: the members that are allowed.
        newer: allowed members that the schema of Kubernetes 1.30 lacks: they are looked up without it, or that API
            server would report a type error.
        common: members that say nothing of the kind, such as the name.
    """

    members: tuple[str, ...]
    newer: tuple[str, ...]
    common: tuple[str, ...]

    def cel(self, value: str) -> Cel:
        known = (Cel(f"has({member(value, name)})") for name in self.members)
        later = (Cel(f"has({member(f'dyn({value})', name)})") for name in self.newer)
        return any_of(*known, *later)

    def broken(self, value: Any, path: str) -> Iterator[str]:
        present = [name for name, content in entries_of(value).items() if content is not None]
        if not any(name in self.members or name in self.newer for name in present):
            yield from [f"{path}.{name}" for name in present if name not in self.common] or [path]


@dataclass(frozen=True, slots=True)
class AnyOf(Term):
    """At least one of several conditions."""

    terms: tuple[Term, ...]

    def cel(self, value: str) -> Cel:
        return any_of(*(term.cel(value) for term in self.terms))

    def broken(self, value: Any, path: str) -> Iterator[str]:
        if all(any(term.broken(value, path)) for term in self.terms):
            yield path


@dataclass(frozen=True, slots=True)
class AllOf(Term):
    """Several conditions at once."""

    terms: tuple[Term, ...]

    def cel(self, value: str) -> Cel:
        return all_of(*(term.cel(value) for term in self.terms))

    def broken(self, value: Any, path: str) -> Iterator[str]:
        for term in self.terms:
            yield from term.broken(value, path)


def items_of(value: Any) -> list[Any] | tuple[Any, ...]:
    """The items of a list; none of what is no list."""
    return value if isinstance(value, list | tuple) else ()


def entries_of(value: Any) -> Mapping[str, Any]:
    """The members of an object; none of what is no object."""
    return value if isinstance(value, Mapping) else {}
