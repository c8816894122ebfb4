"""Which subject is planned next: merged, one at a time each, fair to namespaces, with due times and back-off.

Due times are wall clock, because certificates are; delays are monotonic, because a clock that jumps must not turn a
back-off of a second into an hour.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from breakwater.kernel.references import Subject

DEBOUNCE = 1.0
LONGEST_SLEEP = 30.0
FIRST_BACK_OFF = 0.5
LONGEST_BACK_OFF = 60.0
SLACK = 64
# Many requests of 30 s each that the API server leaves unanswered; the Lease ends long before.
LONGEST_PLANNING = 180.0


class WorkQueue:
    """All methods run in one event loop.

    Args:
        wall: the time of day, aware.
        monotonic: seconds that never go back.
    """

    def __init__(self, wall: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._ready: OrderedDict[str, OrderedDict[Subject, None]] = OrderedDict()
        self._running: dict[Subject, float] = {}
        self._dirty: set[Subject] = set()
        self._ignored: set[Subject] = set()
        self._due: dict[Subject, datetime] = {}
        self._due_heap: list[tuple[datetime, Subject]] = []
        self._delayed: dict[Subject, float] = {}
        self._delay_heap: list[tuple[float, Subject]] = []
        self._debounced: set[Subject] = set()
        self._held: dict[Subject, float] = {}
        self._failures: dict[Subject, int] = {}
        self._progress = monotonic()
        self._looked = monotonic()
        self._something = asyncio.Event()
        self._rescheduled = asyncio.Event()

    def __len__(self) -> int:
        return sum(map(len, self._ready.values()))

    @property
    def is_drained(self) -> bool:
        """Whether nothing is ready or being planned; delays and due times do not count."""
        return not self._ready and not self._running

    def fault(self) -> str | None:
        """What stands still, for /healthz; meaningful while workers and `keep_time` run."""
        now = self._monotonic()
        slowest = min(self._running, key=self._running.__getitem__, default=None)
        if slowest is not None and now - self._running[slowest] > LONGEST_PLANNING:
            return f"{slowest} has been in planning for {now - self._running[slowest]:.0f} s"
        if self._ready and now - self._progress > LONGEST_PLANNING:
            return f"{len(self)} subjects are ready and no worker takes one"
        if now - self._looked > 2 * LONGEST_SLEEP:
            return "nobody looks after due times"
        return None

    def add(self, subject: Subject) -> None:
        """Plan it as soon as a worker is free; while it is being planned, once more afterwards."""
        if subject in self._ignored:
            return
        if subject in self._held:
            self.add_after(subject, max(0.0, self._held[subject] - self._monotonic()))
        elif subject in self._running:
            self._dirty.add(subject)
        else:
            self._ready.setdefault(subject.namespace, OrderedDict())[subject] = None
            self._something.set()

    def add_debounced(self, subject: Subject) -> None:
        """Plan it when a burst has passed; the first of the burst sets the time."""
        if subject in self._ignored:
            return
        before = self._delayed.get(subject)
        self.add_after(subject, DEBOUNCE)
        if self._delayed[subject] != before:
            self._debounced.add(subject)

    def add_after(self, subject: Subject, seconds: float) -> None:
        """Plan it after a delay; an earlier delay that is already set wins."""
        at = self._monotonic() + seconds
        if subject in self._delayed and self._delayed[subject] <= at:
            return
        self._debounced.discard(subject)
        self._delayed[subject] = at
        heapq.heappush(self._delay_heap, (at, subject))
        self._rescheduled.set()

    def add_at(self, subject: Subject, due: datetime | None) -> None:
        """Plan it at a time of day; replaces the time set before, None removes it."""
        if self._due.get(subject) == due:
            return
        if due is None:
            self._due.pop(subject, None)
            return
        self._due[subject] = due
        heapq.heappush(self._due_heap, (due, subject))
        if len(self._due_heap) > 2 * len(self._due) + SLACK:
            # Times that were replaced or removed would stay until they come, and renewals are months away.
            self._due_heap = [(at, each) for each, at in self._due.items()]
            heapq.heapify(self._due_heap)
        self._rescheduled.set()

    def back_off(self, subject: Subject, at_least: float = 0.0) -> float:
        """Plan it again after a failure, each time later; returns the delay in seconds."""
        failures = self._failures.get(subject, 0)
        self._failures[subject] = failures + 1
        delay = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * float(2 ** min(failures, 10))) * random.uniform(0.75, 1.0)  # noqa: S311
        delay = max(delay, at_least)
        self.add_after(subject, delay)
        return delay

    def succeed(self, subject: Subject) -> None:
        """Forget its failures."""
        self._failures.pop(subject, None)

    def hold(self, subject: Subject, seconds: float) -> None:
        """Let wakes of this subject wait: it was planned too often for nothing."""
        self._held[subject] = self._monotonic() + seconds

    def clean(self, subject: Subject) -> None:
        """It is being planned from fresh reads just now: what woke it before, or was about to, is taken in."""
        self._dirty.discard(subject)
        if subject in self._debounced:
            self._debounced.discard(subject)
            del self._delayed[subject]

    @contextmanager
    def ignoring(self, subject: Subject) -> Iterator[None]:
        """Changes that the subject itself makes in this block do not wake it."""
        self._ignored.add(subject)
        try:
            yield
        finally:
            self._ignored.discard(subject)

    def forget(self, subject: Subject) -> None:
        """Drop every time and failure of a subject that is no more."""
        self._due.pop(subject, None)
        self._delayed.pop(subject, None)
        self._debounced.discard(subject)
        self._held.pop(subject, None)
        self._failures.pop(subject, None)

    async def get(self) -> Subject:
        """The next subject; namespaces take turns. It is the caller's until `done`."""
        while not self._ready:
            self._something.clear()
            await self._something.wait()
        namespace, subjects = next(iter(self._ready.items()))
        subject, _ = subjects.popitem(last=False)
        if subjects:
            self._ready.move_to_end(namespace)
        else:
            del self._ready[namespace]
        self._running[subject] = self._progress = self._monotonic()
        return subject

    def done(self, subject: Subject) -> None:
        """Its plan is finished; if it was woken meanwhile, it is ready again."""
        self._running.pop(subject, None)
        self._progress = self._monotonic()
        if subject in self._dirty:
            self._dirty.discard(subject)
            self.add(subject)

    async def keep_time(self) -> None:
        """Make subjects ready as their times come, until cancelled."""
        while True:
            self._rescheduled.clear()
            self._looked = self._monotonic()
            self._ripen()
            try:
                async with asyncio.timeout(self._until_next()):
                    await self._rescheduled.wait()
            except TimeoutError:
                continue

    def _ripen(self) -> None:
        wall, monotonic = self._wall(), self._monotonic()
        while self._due_heap and self._due_heap[0][0] <= wall:
            due, subject = heapq.heappop(self._due_heap)
            if self._due.get(subject) == due:
                del self._due[subject]
                self.add(subject)
        while self._delay_heap and self._delay_heap[0][0] <= monotonic:
            at, subject = heapq.heappop(self._delay_heap)
            if self._held.get(subject, at + 1) <= at:
                del self._held[subject]
            if self._delayed.get(subject) == at:
                self._debounced.discard(subject)
                del self._delayed[subject]
                self.add(subject)

    def _until_next(self) -> float:
        """Never longer than LONGEST_SLEEP: the wall clock may jump while we sleep."""
        waits = [LONGEST_SLEEP]
        if self._due_heap:
            waits.append((self._due_heap[0][0] - self._wall()).total_seconds())
        if self._delay_heap:
            waits.append(self._delay_heap[0][0] - self._monotonic())
        return max(0.0, min(waits))
