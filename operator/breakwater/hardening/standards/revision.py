"""One check of the standards through the releases: what it asks from which version on."""

from __future__ import annotations

from dataclasses import dataclass

from breakwater.hardening.standards.level import Level, Version
from breakwater.hardening.standards.rules import Rule


@dataclass(frozen=True, slots=True)
class Revision:
    """A wording of a check.

    Attributes:
        since: the minor release from which it counts, until the next revision's.
        rule: what pods must meet.
        message: which fields are wrong and what to write instead; complete sentences, below 1 KB.
    """

    since: int
    rule: Rule
    message: str


@dataclass(frozen=True, slots=True)
class History:
    """A check and its revisions, oldest first.

    Attributes:
        id: the standard's own name of the check.
        level: the level that asks for it; Restricted asks for all of Baseline too.
        overrides: the Baseline check that this Restricted one stands in for.
    """

    id: str
    level: Level
    revisions: tuple[Revision, ...]
    overrides: str = ""

    def at(self, version: Version) -> Revision | None:
        """The wording that counts in a version; None before the check existed."""
        begun = [revision for revision in self.revisions if revision.since <= version.minor]
        return begun[-1] if begun else None
