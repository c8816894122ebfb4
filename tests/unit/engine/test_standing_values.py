"""What a derived subject says stands for as long as it says it, though nobody mentions it any more."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import cast

import pytest

from breakwater.cluster.events import Events
from breakwater.cluster.inventory import Inventory
from breakwater.cluster.writes import Writer
from breakwater.engine.catalogue import Catalogue, SubjectKind
from breakwater.engine.execute import Executor
from breakwater.engine.measuring import Measuring
from breakwater.engine.metrics import Metrics
from breakwater.engine.queue import WorkQueue
from breakwater.engine.reconcile import Reconciler
from breakwater.engine.wakes import Reads
from breakwater.kernel.ownership import OWNED
from breakwater.kernel.plan import Plan
from breakwater.kernel.reading import ABSENT, Present
from breakwater.kernel.references import Subject
from breakwater.kernel.settings import Settings

SUBJECT = Subject("Derived", "bpm", "app")


def _now() -> datetime:
    return datetime.now(UTC)


def _planned(plan: Plan) -> Inventory:
    """The inventory after that was planned for a subject which nobody mentions."""
    kind = SubjectKind(SUBJECT.kind, lambda *_: plan)
    catalogue = Catalogue(kinds={kind.name: kind}, watched={}, split=(), indexes=(OWNED,))
    inventory = Inventory(Settings(), whole=(), split=(), indexes=catalogue.indexes)
    queue, metrics, writer = WorkQueue(_now, time.monotonic), Metrics(), cast("Writer", None)
    reconciler = Reconciler(
        catalogue,
        inventory,
        Reads(catalogue, queue, lambda _: None),
        queue,
        writer,
        Executor(writer, inventory, metrics, _now, {}),
        Measuring(inventory, {}, metrics, _now),
        Events(writer, "test"),
        metrics,
        _now,
    )
    asyncio.run(reconciler.reconcile(SUBJECT))
    return inventory


@pytest.mark.parametrize(
    ("plan", "expected"),
    [(Plan(value="said"), Present("said")), (Plan(), ABSENT)],
    ids=["it says it", "nothing"],
)
def test_a_subject_is_over_when_it_has_nothing_more_to_say(plan: Plan, expected: object) -> None:
    assert _planned(plan).fact(("derived", SUBJECT)) == expected
