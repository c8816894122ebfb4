"""A derived subject that reads its own last word is planned for what others change, not for what it says itself."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, cast

from breakwater.cluster.inventory import Inventory, Stream
from breakwater.engine.catalogue import Catalogue, SubjectKind
from breakwater.engine.metrics import Metrics
from breakwater.engine.queue import WorkQueue
from breakwater.engine.reconcile import Reconciler
from breakwater.engine.wakes import Reads
from breakwater.kernel.ownership import OWNED
from breakwater.kernel.plan import Plan
from breakwater.kernel.reading import ABSENT, Present
from breakwater.kernel.references import Subject
from breakwater.kernel.settings import Settings
from breakwater.kernel.world import World

ECHO = Subject("Echo", "", "e")
SAID_BY_OTHERS = "said by others"
LATER = datetime(2999, 1, 1, tzinfo=UTC)


class Unused:
    """Stands for a part that these plans, which write and measure nothing, have no use for."""

    def want(self, _: Subject, measures: Any) -> None:
        assert not measures


class House:
    """The loop around one derived kind whose plan repeats what others say, and reads what it said before."""

    def __init__(self) -> None:
        self.planned = 0
        self.queue = WorkQueue(lambda: datetime.now(UTC), time.monotonic)
        catalogue = Catalogue({"Echo": SubjectKind("Echo", self._plan)}, {}, (), (OWNED,))
        self.inventory = Inventory(Settings(), whole=(), split=OWNED.resources, indexes=(OWNED,))
        for resource in OWNED.resources:
            for stream in Stream:
                self.inventory.listed(resource, "", [], 0, stream)
        reads = Reads(catalogue, self.queue, lambda _: None)
        self.inventory.listener = reads
        unused = cast("Any", Unused())
        self.reconciler = Reconciler(
            catalogue,
            self.inventory,
            reads,
            self.queue,
            unused,
            unused,
            unused,
            unused,
            Metrics(),
            lambda: datetime.now(UTC),
        )

    def _plan(self, subject: Subject, world: World, _: datetime) -> Plan:
        self.planned += 1
        world.fact(("derived", subject))
        said = world.fact(SAID_BY_OTHERS)
        return Plan(value=said.value, due=LATER) if isinstance(said, Present) else Plan()

    def drain(self) -> int:
        """Plan until nothing is ready; returns how many plans that took."""
        before = self.planned

        async def work() -> None:
            while not self.queue.is_drained and self.planned < before + 20:
                subject = await self.queue.get()
                await self.reconciler.reconcile(subject)
                self.queue.done(subject)

        asyncio.run(work())
        return self.planned - before


def test_what_a_subject_says_itself_does_not_wake_it() -> None:
    house = House()
    house.inventory.state(SAID_BY_OTHERS, Present("hello"))
    house.queue.add(ECHO)
    assert house.drain() == 1
    house.inventory.state(SAID_BY_OTHERS, Present("good-bye"))
    assert house.drain() == 1
    assert house.inventory.fact(("derived", ECHO)) == Present("good-bye")


def test_a_subject_that_is_over_rests() -> None:
    house = House()
    house.inventory.state(SAID_BY_OTHERS, Present("hello"))
    house.queue.add(ECHO)
    house.drain()
    house.inventory.state(SAID_BY_OTHERS, ABSENT)
    assert house.drain() == 1
    house.queue.add(ECHO)
    assert house.drain() == 1
