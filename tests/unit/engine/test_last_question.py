"""The last question before something is taken away: is the declaration really gone, and is its kind the same kind?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from breakwater.cluster.inventory import Inventory
from breakwater.cluster.writes import Writer
from breakwater.engine.execute import Executor
from breakwater.engine.metrics import Metrics
from breakwater.kernel.plan import DeleteObject, Gone, RelabelSecret, Version
from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import COMMUNICATION_CHANNEL, SECRET, Ref, definition_of
from breakwater.kernel.settings import Settings

CHANNEL = Ref(COMMUNICATION_CHANNEL, "bpm", "web")
TARGET = Ref(SECRET, "bpm", "web-tls")
SAW = Gone(CHANNEL, "definition-1")
VERSION = Version("secret-uid", "7")
SECRET_LIVE = {"metadata": {"name": "web-tls", "namespace": "bpm", "uid": "secret-uid", "resourceVersion": "7"}}
DELETE = DeleteObject(
    id="delete", target=TARGET, reason="DeclarationGone", message="gone", replaces=VERSION, gone=(SAW,), takes_away=True
)
RELEASE = RelabelSecret(
    id="release",
    target=TARGET,
    reason="Released",
    message="gone",
    labels={"breakwater.dev/released": "true"},
    annotations={},
    replaces=VERSION,
    gone=(SAW,),
)


class Live:
    """An API server that holds what it is given, and counts what it is asked to change."""

    def __init__(self, objects: dict[Ref, Manifest]) -> None:
        self._objects = objects
        self.changed: list[Ref] = []

    async def read(self, ref: Ref) -> Manifest | None:
        return self._objects.get(ref)

    async def delete(self, ref: Ref, version: Version) -> None:
        assert version == VERSION
        self.changed.append(ref)

    async def replace(self, ref: Ref, manifest: Manifest) -> Manifest:
        self.changed.append(ref)
        return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": "8"}}


def definition(uid: str = "definition-1", **metadata: Any) -> dict[Ref, Manifest]:
    return {definition_of(COMMUNICATION_CHANNEL): {"metadata": {"uid": uid} | metadata}}


CASES = [
    pytest.param({}, "KindNotServed", id="the definition is gone"),
    pytest.param(definition(deletionTimestamp="2026-06-01T00:00:00Z"), "KindNotServed", id="it is being deleted"),
    pytest.param(definition("definition-2"), "KindRedefined", id="it was applied anew"),
    pytest.param(definition() | {CHANNEL: {"metadata": {}}}, "DeclarationExists", id="the declaration is there"),
    pytest.param(definition(), None, id="the declaration is gone"),
]


@pytest.mark.parametrize(("objects", "refusal"), CASES)
@pytest.mark.parametrize("action", [DELETE, RELEASE], ids=["delete", "release"])
def test_nothing_is_taken_away_unless_the_declaration_is_gone_under_the_definition_that_was_looked_at(
    action: DeleteObject | RelabelSecret, objects: dict[Ref, Manifest], refusal: str | None
) -> None:
    live = Live(objects)
    inventory = Inventory(Settings(), whole=(), split=(SECRET,), indexes=())
    inventory.put(SECRET, SECRET_LIVE)
    executor = Executor(cast("Writer", live), inventory, Metrics(), lambda: datetime.now(UTC), {})
    failure, _ = asyncio.run(executor.run(action))
    assert (failure.reason if failure else None) == refusal
    assert live.changed == ([] if refusal else [TARGET])
