"""Keeps measurements fresh: each on its own interval, many at once, none of them in a worker's way.

What does not hold is measured again sooner, ever more slowly up to its interval: a server that comes up is proven
within seconds, one that stays down is not pestered.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from breakwater.cluster.inventory import Inventory
from breakwater.engine.catalogue import Finding, Prober
from breakwater.engine.metrics import Metrics
from breakwater.kernel.measurement import Measure, Measurement, Result
from breakwater.kernel.reading import ABSENT, Present
from breakwater.kernel.references import Subject

log = logging.getLogger(__name__)

AT_ONCE = 32
# One tenant's silent servers must not take all places.
AT_ONCE_IN_A_NAMESPACE = 8
FIRST_RETRY = 2.0

Slot = tuple[Subject, str]


@dataclass(frozen=True, slots=True)
class _Broken:
    result: Result = Result.UNKNOWN
    reason: str = "ProbeBroken"
    message: str = "the probe failed for a reason of its own; see the operator's log"
    facts: Mapping[str, str] = field(default_factory=dict)


_BROKEN = _Broken()


class Measuring:
    """One task per measurement that is wanted; results are facts, and wake only when they say something new."""

    def __init__(
        self,
        inventory: Inventory,
        probers: Mapping[type, Prober],
        metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:
        self._inventory = inventory
        self._probers = probers
        self._metrics = metrics
        self._now = now
        self._wanted: dict[Subject, dict[str, Measure]] = {}
        self._tasks: dict[Slot, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(AT_ONCE)
        self._shares: dict[str, asyncio.Semaphore] = {}

    def seed(self, subject: Subject, measurements: Iterable[Measurement]) -> None:
        """Take up what status remembers, so that a restart neither forgets a proof nor writes one."""
        for measurement in measurements:
            self._inventory.state(("measured", subject, measurement.name), Present(measurement))

    def want(self, subject: Subject, measures: tuple[Measure, ...]) -> None:
        """Measure exactly these for the subject from now on."""
        wanted = {measure.name: measure for measure in measures}
        before = self._wanted.get(subject, {})
        if wanted == before:
            return
        for name in before.keys() - wanted.keys():
            self._stop((subject, name))
        if wanted:
            self._wanted[subject] = wanted
        else:
            self._wanted.pop(subject, None)
        for name, measure in wanted.items():
            if before.get(name) != measure:
                self._restart((subject, name), measure)

    async def close(self) -> None:
        """End all measurements."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _restart(self, slot: Slot, measure: Measure) -> None:
        task = self._tasks.pop(slot, None)
        if task is not None:
            task.cancel()
        self._tasks[slot] = asyncio.create_task(self._keep_fresh(slot, measure), name=f"measure {slot[0]} {slot[1]}")

    def _share(self, slot: Slot) -> asyncio.Semaphore:
        return self._shares.setdefault(slot[0].namespace, asyncio.Semaphore(AT_ONCE_IN_A_NAMESPACE))

    def _stop(self, slot: Slot) -> None:
        task = self._tasks.pop(slot, None)
        if task is not None:
            task.cancel()
        # Never measured: then there is no series either.
        with contextlib.suppress(KeyError):
            self._metrics.measured.remove(*_labels(slot))
        self._inventory.state(("measured", *slot), ABSENT)

    async def _keep_fresh(self, slot: Slot, measure: Measure) -> None:
        await asyncio.sleep(self._first_delay(slot, measure))
        soon = 0.0
        while True:
            started = time.monotonic()
            async with self._share(slot), self._places:
                result = await self._measure(slot, measure)
            # Spread by a tenth, or a thousand channels that were created together stay together for ever.
            interval = measure.interval.total_seconds() * random.uniform(0.95, 1.05)  # noqa: S311
            soon = 0.0 if result is Result.HOLDS else (soon * 2 or FIRST_RETRY)
            await asyncio.sleep(max(0.0, min(interval, soon or interval) - (time.monotonic() - started)))

    def _first_delay(self, slot: Slot, measure: Measure) -> float:
        held = self._inventory.fact(("measured", *slot))
        if not isinstance(held, Present) or held.value.digest != measure.digest:
            return 0.0
        if held.value.result is not Result.HOLDS:
            return random.uniform(0.0, FIRST_RETRY)  # noqa: S311 - spreading load
        age = (self._now() - held.value.time).total_seconds()
        if age < 0:
            return 0.0  # the clock was set back: it may be anything
        remaining = measure.interval.total_seconds() - age
        return float(max(0.0, remaining) * random.uniform(0.5, 1.0))  # noqa: S311 - spreading load

    async def _measure(self, slot: Slot, measure: Measure) -> Result:
        started = time.perf_counter()
        try:
            finding = await self._probers[type(measure.probe)](measure.probe, self._inventory, self._now())
        except Exception:
            # A prober's bug must neither end the measuring nor look like a verdict.
            self._metrics.bugs.labels("Measure").inc()
            log.exception("bug", extra={"subject": str(slot[0]), "measurement": slot[1]})
            finding = _BROKEN
        self._metrics.measure_seconds.labels(type(measure.probe).__name__).observe(time.perf_counter() - started)
        self._keep(slot, measure, finding)
        return finding.result

    def _keep(self, slot: Slot, measure: Measure, finding: Finding) -> None:
        now = self._now()
        new = Measurement(
            slot[1],
            measure.digest,
            now,
            now + measure.validity,
            finding.result,
            str(finding.reason),
            finding.message,
            dict(finding.facts),
        )
        self._metrics.measured.labels(*_labels(slot)).set(now.timestamp())
        held = self._inventory.fact(("measured", *slot))
        same = isinstance(held, Present) and held.value.says_the_same_as(new)
        self._inventory.state(("measured", *slot), Present(new), quiet=same)


def _labels(slot: Slot) -> tuple[str, str, str, str]:
    subject, name = slot
    return subject.kind, subject.namespace, subject.name, name
