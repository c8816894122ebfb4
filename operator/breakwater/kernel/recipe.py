"""What a plan says instead of a secret: how to make it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from breakwater.kernel.sealed import Sealed


class Recipe(Protocol):
    """Makes entries of a Secret's data, keys and passwords among them.

    A recipe is pure data (frozen, comparable, without a secret in its repr), so that plans stay pure; randomness and
    the clock come in only when the engine runs it, in a thread, because generating a key takes CPU time.
    """

    def make(self, now: datetime) -> Mapping[str, bytes | Sealed]:
        """Data keys and their values; what must not be shown comes sealed. `now` is aware.

        Raises an error whose message is fit for a status condition when it cannot be done as asked.
        """
        ...  # pragma: no cover


@dataclass(frozen=True, slots=True)
class Known:
    """Entries that the plan has read or computed: copies of what exists already."""

    entries: tuple[tuple[str, bytes | Sealed], ...] = field(repr=False)

    @classmethod
    def of(cls, entries: Mapping[str, bytes | Sealed]) -> Known:
        """Sorted, so that equal content makes equal plans."""
        return cls(tuple(sorted(entries.items())))

    def make(self, now: datetime) -> Mapping[str, bytes | Sealed]:  # noqa: ARG002 - a copy has no date
        """The entries themselves."""
        return dict(self.entries)


@dataclass(frozen=True, slots=True)
class Aliased:
    """What another recipe makes, with some of its entries under further names as well.

    Attributes:
        recipe: makes the entries.
        names: pairs of a further name and the entry that it repeats.
    """

    recipe: Recipe
    names: tuple[tuple[str, str], ...]

    def make(self, now: datetime) -> Mapping[str, bytes | Sealed]:
        """The entries under all their names."""
        made = self.recipe.make(now)
        return {**made, **{name: made[entry] for name, entry in self.names if entry in made}}


@dataclass(frozen=True, slots=True)
class Without:
    """What another recipe makes, but for some of its entries."""

    recipe: Recipe
    names: frozenset[str]

    def make(self, now: datetime) -> Mapping[str, bytes | Sealed]:
        """The entries that remain."""
        return {name: value for name, value in self.recipe.make(now).items() if name not in self.names}


@dataclass(frozen=True, slots=True)
class Joined:
    """What several recipes make; a later one wins over an earlier one."""

    recipes: tuple[Recipe, ...]

    def make(self, now: datetime) -> Mapping[str, bytes | Sealed]:
        """All entries."""
        made: dict[str, bytes | Sealed] = {}
        for recipe in self.recipes:
            made |= recipe.make(now)
        return made
