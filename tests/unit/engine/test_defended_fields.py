"""Fields on objects of others: defended ones are written again three times in ten minutes, then given up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from breakwater.cluster.inventory import Inventory
from breakwater.cluster.writes import Writer
from breakwater.engine.execute import Executor
from breakwater.engine.metrics import Metrics
from breakwater.kernel.plan import ApplyFields, Contest, Ending, Failure, Version
from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import DEPLOYMENT, Ref
from breakwater.kernel.settings import Settings

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
APP = Ref(DEPLOYMENT, "bpm", "app")
MARK = {"example.com/mark": "ours"}
MARKED = ApplyFields(
    id="mark",
    target=APP,
    reason="MarkMissing",
    message="it is to be marked",
    manifest={
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "app", "namespace": "bpm", "annotations": MARK},
    },
    manager="breakwater/Test",
    decided_on=Version("uid", "1"),
    defended=True,
)


@dataclass
class Scene:
    """An object of others, and somebody who takes our mark away whenever it stands."""

    action: ApplyFields = MARKED
    now: datetime = NOW
    uid: str = "uid"
    written: int = 0
    version: int = 1
    inventory: Inventory = field(
        default_factory=lambda: Inventory(Settings(), whole=(DEPLOYMENT,), split=(), indexes=())
    )

    def __post_init__(self) -> None:
        self.executor = Executor(cast("Writer", self), self.inventory, Metrics(), lambda: self.now, {})
        self.stands()

    async def apply(self, ref: Ref, manifest: Manifest, **_: Any) -> Manifest:  # noqa: ARG002 - as it is called
        self.written += 1
        self.version += 1
        return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(self.version)}}

    def stands(self, **annotations: str) -> None:
        """As it is seen now."""
        self.version += 1
        metadata = {"name": "app", "namespace": "bpm", "uid": self.uid, "resourceVersion": str(self.version)}
        self.inventory.put(DEPLOYMENT, {"metadata": metadata | {"annotations": annotations}})

    async def take(self) -> Failure | None:
        """It is written again, after it was taken away."""
        self.stands()
        decided_on = Version(self.uid, str(self.version))
        failure, taken = await self.executor.run(replace(self.action, decided_on=decided_on))
        taken()
        return failure


async def test_after_the_third_re_take_it_is_told_and_left_alone() -> None:
    scene = Scene()
    assert [await scene.take() for _ in range(4)] == [None] * 4
    failure = await scene.take()
    assert failure is not None
    assert (failure.reason, failure.ending) == ("Contested", Ending.STALLED)
    assert "somebody keeps taking away .metadata.annotations.example.com/mark" in failure.message
    assert "audit log" in failure.message
    assert scene.written == 4
    assert scene.inventory.contest(APP) == Contest("somebody", 3)


async def test_it_is_tried_again_when_that_was_ten_minutes_ago() -> None:
    scene = Scene()
    for _ in range(5):
        await scene.take()
    scene.now += timedelta(minutes=10, seconds=1)
    assert await scene.take() is None
    assert scene.inventory.contest(APP) is None


async def test_what_changes_by_our_own_will_is_no_re_take() -> None:
    scene = Scene()
    for number in range(6):
        scene.action = replace(MARKED, manifest=_marked(str(number)))
        assert await scene.take() is None


async def test_an_object_that_is_made_anew_has_taken_nothing() -> None:
    scene = Scene()
    for number in range(6):
        scene.uid = f"uid-{number}"
        assert await scene.take() is None


async def test_what_is_ordered_once_is_not_counted() -> None:
    scene = Scene(replace(MARKED, defended=False))
    assert [await scene.take() for _ in range(6)] == [None] * 6


def _marked(value: str) -> Manifest:
    metadata = {**MARKED.manifest["metadata"], "annotations": {"example.com/mark": value}}
    return {**MARKED.manifest, "metadata": metadata}
