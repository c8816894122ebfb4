"""How often a field was taken back, and from whom: after the third time in ten minutes we stop."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta

from breakwater.kernel.plan import Contest
from breakwater.kernel.references import Ref

WINDOW = timedelta(minutes=10)
MOST_TAKES = 3


class Contests:
    """The ledger of re-takes by object; in memory, since after a restart three more tries do no harm."""

    def __init__(self) -> None:
        self._takes: dict[Ref, dict[str, deque[datetime]]] = {}

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

    def forget(self, ref: Ref) -> None:
        """The object is gone."""
        self._takes.pop(ref, None)
