"""How often a field was taken back, and from whom: after the third time in ten minutes we stop."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

from breakwater.kernel.plan import Contest
from breakwater.kernel.references import Ref

WINDOW = timedelta(minutes=10)
MOST_TAKES = 3


class Contests:
    """The ledger of re-takes by object; in memory, since after a restart three more tries do no harm."""

    def __init__(self) -> None:
        self._takes: dict[Ref, dict[str, deque[datetime]]] = {}

    def permit(self, ref: Ref, managers: tuple[str, ...], now: datetime) -> Contest | None:
        """Record one more re-take from these managers, or answer who must be argued with instead."""
        ledger = self._takes.setdefault(ref, {})
        for manager in managers:
            takes = ledger.setdefault(manager, deque())
            while takes and now - takes[0] > WINDOW:
                takes.popleft()
            if len(takes) >= MOST_TAKES:
                return Contest(manager, len(takes))
        for manager in managers:
            ledger[manager].append(now)
        return None

    def forget(self, ref: Ref) -> None:
        """The object is gone."""
        self._takes.pop(ref, None)
