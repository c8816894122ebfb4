"""How often a field was taken back, and from whom: after the third time in ten minutes we stop."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta

from breakwater.kernel.apply import missing
from breakwater.kernel.plan import Contest
from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import Ref

WINDOW = timedelta(minutes=10)
MOST_TAKES = 3
SOMEBODY = "somebody"
"""Who takes a field away leaves no name on the object."""


class Contests:
    """The ledger of re-takes by object; in memory, since after a restart three more tries do no harm."""

    def __init__(self) -> None:
        self._takes: dict[Ref, dict[str, deque[datetime]]] = {}
        self._written: dict[Ref, tuple[str, Manifest]] = {}

    def standing(self, ref: Ref, managers: Iterable[str], now: datetime) -> Contest | None:
        """Who of these managers must be argued with, because enough was taken back from them."""
        for manager in managers:
            takes = self._takes.get(ref, {}).get(manager, deque())
            while takes and now - takes[0] > WINDOW:
                takes.popleft()
            if len(takes) >= MOST_TAKES:
                return Contest(manager, len(takes))
        return None

    def record(self, ref: Ref, managers: Iterable[str], now: datetime) -> None:
        """A field was taken back from each of these managers."""
        for manager in managers:
            self._takes.setdefault(ref, {}).setdefault(manager, deque()).append(now)

    def wrote(self, ref: Ref, uid: str, fields: Manifest) -> None:
        """These fields of ours stand on an object of others now."""
        self._written[ref] = uid, fields

    def lost(self, ref: Ref, uid: str, live: Manifest, fields: Manifest) -> tuple[str, ...]:
        """Which of these fields we have written before, with the same value, and somebody has taken away since."""
        before = self._written.get(ref)
        if before is None or before[0] != uid:
            return ()
        taken = missing(live, fields) - missing(before[1], fields)
        return tuple(f".{'.'.join(path)}" for path in sorted(taken))

    def forget(self, ref: Ref) -> None:
        """The object is gone."""
        self._takes.pop(ref, None)
        self._written.pop(ref, None)
