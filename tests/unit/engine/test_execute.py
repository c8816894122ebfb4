"""What stands between a plan and the API server: nothing of others is merged into, nothing secret is passed on."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from breakwater.cluster.client import ApiError
from breakwater.cluster.inventory import Inventory, Stream
from breakwater.cluster.writes import Writer
from breakwater.engine.catalogue import Catalogue
from breakwater.engine.execute import Executor
from breakwater.engine.fetch import Fetcher
from breakwater.engine.metrics import Metrics
from breakwater.engine.wakes import Reads
from breakwater.kernel.ownership import MANAGED_BY, MANAGER
from breakwater.kernel.plan import Action, ApplyFields, ApplyObject, Failure, Version, WriteSecret
from breakwater.kernel.reading import ABSENT, Manifest, Present
from breakwater.kernel.recipe import Known
from breakwater.kernel.references import CONFIG_MAP, DEPLOYMENT, SECRET, Ref
from breakwater.kernel.sealed import Sealed
from breakwater.kernel.settings import Settings

BUNDLE = Ref(CONFIG_MAP, "bpm", "platform-trust")
LOGIN = Ref(SECRET, "bpm", "login")
OLD, NEW = b"the-old-password", b"the-new-password"
APPLY = ApplyObject(
    id="trust",
    target=BUNDLE,
    reason="TrustMissing",
    message="missing",
    manifest={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "platform-trust", "namespace": "bpm"}},
)
CHANGE = WriteSecret(
    id="login",
    target=LOGIN,
    reason="PasswordChanged",
    message="changed",
    parts=(Known.of({"password": Sealed(NEW)}),),
    secret_type="Opaque",  # noqa: S106 - a type
    labels={},
    annotations={},
    replaces=Version("login-uid", "7"),
)


@dataclass
class Live:
    """An API server: holds what it is given, refuses changes in the words that it is given."""

    objects: Mapping[Ref, Manifest] = field(default_factory=dict)
    refusal: ApiError | None = None
    applied: list[Ref] = field(default_factory=list)
    bodies: list[Manifest] = field(default_factory=list)

    async def read(self, ref: Ref) -> Manifest | None:
        return self.objects.get(ref)

    async def apply(self, ref: Ref, manifest: Manifest, **_: Any) -> Manifest:
        self.applied.append(ref)
        self.bodies.append(manifest)
        return {**manifest, "metadata": {**manifest["metadata"], "uid": "new", "resourceVersion": "9"}}

    async def replace(self, ref: Ref, manifest: Manifest) -> Manifest:  # noqa: ARG002 - as it is called
        assert self.refusal is not None
        raise self.refusal


def held() -> Inventory:
    """What is known: no bundle, and a login that we wrote."""
    inventory = Inventory(Settings(), whole=(), split=(SECRET, CONFIG_MAP), indexes=())
    for stream in Stream:
        inventory.listed(CONFIG_MAP, "", [], 1, stream)
    fields = [{"manager": MANAGER, "operation": "Update", "fieldsV1": {"f:data": {"f:password": {}}}}]
    metadata = {
        "name": LOGIN.name,
        "namespace": LOGIN.namespace,
        "uid": "login-uid",
        "resourceVersion": "7",
        "labels": {MANAGED_BY: MANAGER},
        "managedFields": fields,
    }
    inventory.put(SECRET, {"metadata": metadata, "data": {"password": base64.b64encode(OLD).decode()}})
    return inventory


def failed(live: Live, action: Action) -> Failure | None:
    """How the action ended."""
    executor = Executor(cast("Writer", live), held(), Metrics(), lambda: datetime.now(UTC), {})
    failure, _ = asyncio.run(executor.run(action))
    return failure


def test_an_object_that_appeared_behind_a_late_watch_is_not_merged_into() -> None:
    live = Live({BUNDLE: {"metadata": {"name": BUNDLE.name}}})
    failure = failed(live, APPLY)
    assert failure is not None
    assert failure.reason == "Conflict"
    assert live.applied == []


def test_what_is_missing_is_applied() -> None:
    live = Live()
    assert failed(live, APPLY) is None
    assert live.applied == [BUNDLE]


def test_what_an_action_leaves_is_known_when_its_answer_is_taken_and_not_before() -> None:
    inventory = held()
    executor = Executor(cast("Writer", Live()), inventory, Metrics(), lambda: datetime.now(UTC), {})
    _, taken = asyncio.run(executor.run(replace(APPLY, leaves={("ordered", "app"): "token"})))
    assert inventory.fact(("ordered", "app")) == ABSENT
    taken()
    assert inventory.fact(("ordered", "app")) == Present("token")


def test_fields_of_others_are_written_to_the_very_version_that_was_looked_at() -> None:
    live = Live()
    app = Ref(DEPLOYMENT, "bpm", "app")
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app", "namespace": "bpm"}}
    action = ApplyFields(
        id="restart",
        target=app,
        reason="Restart",
        message="new content",
        manifest=manifest,
        manager="breakwater/Restarts",
        decided_on=Version("app-uid", "7"),
    )
    assert failed(live, action) is None
    (body,) = live.bodies
    assert body["metadata"] == {"name": "app", "namespace": "bpm", "uid": "app-uid", "resourceVersion": "7"}


@pytest.mark.parametrize("secret", [OLD, NEW], ids=["what is replaced", "what replaces it"])
def test_a_refusal_that_quotes_a_secret_is_not_repeated(secret: bytes) -> None:
    quoted = base64.b64encode(secret).decode()
    failure = failed(Live(refusal=ApiError(403, "Forbidden", f"policy denied: password is {quoted}")), CHANGE)
    assert failure is not None
    assert quoted not in failure.message
    assert "words that quote the Secret" in failure.message


def test_a_refusal_that_quotes_nothing_is_told() -> None:
    failure = failed(Live(refusal=ApiError(403, "Forbidden", "policy naming denied: label team is missing")), CHANGE)
    assert failure is not None
    assert "label team is missing" in failure.message


async def test_a_wish_during_the_read_of_an_earlier_object_of_that_name_is_not_lost() -> None:
    inventory = held()
    asked: list[str] = []
    answering = asyncio.Event()

    class Server:
        async def read(self, ref: Ref) -> Manifest | None:
            asked.append(ref.name)
            if len(asked) == 1:
                await answering.wait()
                return None
            metadata = {"name": ref.name, "namespace": ref.namespace, "uid": "2", "resourceVersion": "9"}
            return {"metadata": metadata, "data": {}}

    reads = Reads(Catalogue({}, {}, (), ()), cast("Any", None), lambda _: None)
    fetcher = asyncio.create_task(Fetcher(cast("Writer", Server()), inventory, reads).run())
    foreign = Ref(CONFIG_MAP, "bpm", "foreign")
    reads.wanted(foreign)
    async with asyncio.timeout(5):
        while not asked:
            await asyncio.sleep(0.005)
        metadata = {"name": "foreign", "namespace": "bpm", "uid": "2", "resourceVersion": "9"}
        inventory.put(CONFIG_MAP, {"metadata": metadata}, Stream.METADATA)
        reads.wanted(foreign)
        answering.set()
        while not isinstance(inventory.look_up(foreign), Present):
            await asyncio.sleep(0.005)
    fetcher.cancel()
    assert asked == ["foreign", "foreign"]
