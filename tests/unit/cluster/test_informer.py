from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from breakwater.cluster import informer as module
from breakwater.cluster.informer import Feed, Informer, RestoredError, folded, metadata_reduced, without_managers
from breakwater.cluster.inventory import Inventory
from breakwater.kernel.reading import ABSENT, NOT_SYNCED, Present, Unknown
from breakwater.kernel.settings import Settings
from tests.unit.cluster.fake_server import FakeServer, bookmark, error, event, refusal, serving
from tests.unit.cluster.objects import WIDGET, manifest, ref

LONG_ENOUGH = 10.0


class Watched:
    """An informer at work on a fake server."""

    def __init__(self, server: FakeServer, inventory: Inventory, informer: Informer) -> None:
        self.server = server
        self.inventory = inventory
        self.informer = informer

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LONG_ENOUGH):
            while not condition():
                await asyncio.sleep(0.005)

    def holds(self, *names: str) -> bool:
        return {name.name for name, _ in self.inventory.held(WIDGET)} == set(names)


@asynccontextmanager
async def watching(server: FakeServer, client: object, **feed: object) -> AsyncIterator[Watched]:
    inventory = Inventory(Settings(), whole=(WIDGET,), split=(), indexes=())
    informer = Informer(client, inventory, Feed(WIDGET, **feed))  # type: ignore[arg-type]
    running = asyncio.create_task(informer.run())
    try:
        yield Watched(server, inventory, informer)
    finally:
        running.cancel()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(module, "LONGEST_DELAY", 0.05)


async def test_it_lists_in_pages_and_goes_on_from_the_list() -> None:
    async with serving() as (server, client):
        server.items, server.version, server.pages = [manifest(f"w{i}", i) for i in range(7)], 70, 3
        server.streams.append([event("ADDED", manifest("late", 71)), event("DELETED", manifest("w0", 72))])
        async with watching(server, client) as watched:
            await watched.until(lambda: watched.holds("late", *(f"w{i}" for i in range(1, 7))))
        assert len(server.lists) == 3
        assert server.watches[0]["resourceVersion"] == "70"


async def test_nothing_is_known_before_the_last_page() -> None:
    async with serving() as (server, client):
        server.items, server.pages = [manifest("w0", 1), manifest("w1", 2)], 1
        server.paging.clear()
        async with watching(server, client) as watched:
            await watched.until(lambda: len(server.lists) == 2)
            assert watched.inventory.look_up(ref("w9")) is NOT_SYNCED
            server.paging.set()
            await watched.until(lambda: watched.inventory.look_up(ref("w9")) is ABSENT)
        assert len(server.lists) == 2


@pytest.mark.parametrize("how", ["event", "status"])
async def test_a_forgotten_version_is_listed_again_and_what_is_missing_was_deleted(how: str) -> None:
    async with serving() as (server, client):
        server.items, server.version = [manifest("kept", 1), manifest("gone", 2)], 5
        async with watching(server, client) as watched:
            await watched.until(lambda: watched.holds("kept", "gone") and bool(server.watches))
            server.items, server.version = [manifest("kept", 1)], 9
            if how == "event":
                server.streams.append([error(410)])
            if how == "status":
                server.failures.append(refusal(410))
            server.end_silent_watches()
            await watched.until(lambda: watched.holds("kept") and server.watches[-1]["resourceVersion"] == "9")


async def test_an_expired_page_starts_the_list_anew() -> None:
    async with serving() as (server, client):
        server.items = [manifest("w", 1)]
        server.failures.append(refusal(410))
        async with watching(server, client) as watched:
            await watched.until(lambda: watched.holds("w"))


@pytest.mark.parametrize("ending", [None, b'{"type": "MODIFIED", "obj', b"no json at all\n"])
async def test_a_broken_stream_goes_on_from_the_last_event_that_came_through(ending: bytes | None) -> None:
    async with serving() as (server, client):
        server.version = 5
        server.streams.append([event("ADDED", manifest("first", 6)), bookmark(8), ending])
        server.streams.append([event("ADDED", manifest("second", 9))])
        async with watching(server, client) as watched:
            await watched.until(lambda: watched.holds("first", "second"))
        assert len(server.lists) == 1
        assert [watch["resourceVersion"] for watch in server.watches[:2]] == ["5", "8"]


async def test_an_object_that_spans_many_reads_is_one_object() -> None:
    async with serving() as (server, client):
        line = event("ADDED", manifest("large", 6, value="x" * 100_000))
        server.streams.append([line[i : i + 7000] for i in range(0, len(line), 7000)])
        async with watching(server, client) as watched:
            await watched.until(lambda: watched.holds("large"))


@pytest.mark.parametrize("code", [401, 429, 500, 503])
async def test_what_can_pass_is_waited_out_and_loses_nothing(code: int) -> None:
    async with serving() as (server, client):
        server.version = 5
        server.streams.append([event("ADDED", manifest("first", 6)), error(500) if code == 500 else bookmark(7)])
        async with watching(server, client) as watched:
            await watched.until(lambda: watched.holds("first") and len(server.watches) == 2)
            server.failures.extend([refusal(code, Retry_After="0"), refusal(code)])
            server.streams.append([event("DELETED", manifest("first", 8))])
            server.end_silent_watches()
            await watched.until(watched.holds)
            assert watched.inventory.look_up(ref("x")) is ABSENT
        assert len(server.lists) == 1


async def test_it_waits_as_long_as_the_server_asks() -> None:
    async with serving() as (server, client):
        server.failures.append(refusal(429, Retry_After="1"))
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with watching(server, client) as watched:
            await watched.until(lambda: len(server.lists) == 2)
        assert loop.time() - started >= 1


@pytest.mark.parametrize(("code", "reason"), [(403, "Forbidden"), (404, "NotServed")])
async def test_what_may_not_be_read_is_unknown_what_is_held_stays_and_a_list_mends_it(code: int, reason: str) -> None:
    async with serving() as (server, client):
        server.items = [manifest("held", 1)]
        async with watching(server, client) as watched:
            await watched.until(lambda: bool(server.watches))
            server.failures.extend(refusal(code) for _ in range(3))
            server.end_silent_watches()
            await watched.until(lambda: isinstance(watched.inventory.look_up(ref("x")), Unknown))
            lost = watched.inventory.look_up(ref("x"))
            assert isinstance(lost, Unknown)
            assert lost.reason == reason
            assert isinstance(watched.inventory.look_up(ref("held")), Present)
            server.items, server.version = [], 9
            await watched.until(lambda: watched.inventory.look_up(ref("held")) is ABSENT)


async def test_a_type_that_is_not_served_is_no_trouble_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    caplog.set_level(logging.INFO)
    async with serving() as (server, client):
        server.failures.extend(refusal(404) for _ in range(4))
        async with watching(server, client) as watched:
            await watched.until(lambda: watched.inventory.look_up(ref("x")) is ABSENT)
    said = [(record.levelname, record.message) for record in caplog.records if record.name == module.__name__]
    assert said == [("INFO", "not served")]


async def test_a_kick_ends_the_wait_for_a_type_that_is_served_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 3600.0)
    async with serving() as (server, client):
        server.failures.append(refusal(404))
        async with watching(server, client) as watched:
            await watched.until(lambda: isinstance(watched.inventory.look_up(ref("x")), Unknown) and bool(server.lists))
            await watched.until(lambda: watched.inventory.look_up(ref("x")) is not NOT_SYNCED)
            watched.informer.kick()
            await watched.until(lambda: watched.inventory.look_up(ref("x")) is ABSENT)


async def test_a_silent_stream_is_left_and_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE", 0.1)
    async with serving() as (server, client):
        async with watching(server, client) as watched:
            await watched.until(lambda: len(server.watches) == 3)
            assert watched.informer.fault() is None
        assert len(server.lists) == 1


async def test_a_server_that_ends_each_watch_at_once_is_not_asked_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.1)
    monkeypatch.setattr(module, "LONGEST_DELAY", 1.0)
    async with serving() as (server, client):
        server.streams.extend([] for _ in range(1000))
        async with watching(server, client):
            await asyncio.sleep(1)  # what is measured is how often it asks in a second
        assert 2 <= len(server.watches) <= 6


async def test_it_says_so_when_nothing_is_heard_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as (server, client), watching(server, client) as watched:
        await watched.until(lambda: bool(server.watches))
        assert watched.informer.fault() is None
        monkeypatch.setattr(module, "LONGEST_SILENCE", -1.0)
        assert "Widget" in (watched.informer.fault() or "")


async def test_selector_and_reduction_are_applied() -> None:
    async with serving() as (server, client):
        server.items = [manifest("w", 1, value=1, secret=2)]
        feed = {"selector": "a=b", "reduce": lambda item: {"metadata": item["metadata"], "value": item["value"]}}
        async with watching(server, client, **feed) as watched:
            await watched.until(lambda: watched.holds("w") and bool(server.watches))
            held = watched.inventory.look_up(ref("w"))
        assert isinstance(held, Present)
        assert held.value.manifest.keys() == {"metadata", "value"}
        assert server.lists[0]["labelSelector"] == server.watches[0]["labelSelector"] == "a=b"


def test_a_metadata_stream_keeps_nothing_that_could_hold_data() -> None:
    item = manifest("s", 1, labels={"app": "x", "breakwater.dev/released": "true"}, data={"password": "x"})
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "secret", "breakwater.dev/subject": "a/b/c"}
    item["metadata"] |= {"annotations": annotations, "managedFields": [{"manager": "m", "fieldsV1": {}, "time": "t"}]}
    kept = metadata_reduced(item)
    assert kept.keys() == {"metadata"}
    assert kept["metadata"]["labels"] == {"breakwater.dev/released": "true"}
    assert kept["metadata"]["annotations"] == {"breakwater.dev/subject": "a/b/c"}
    assert kept["metadata"]["managedFields"] == [{"manager": "m"}]


def test_writers_are_folded_or_dropped() -> None:
    fields = [{"manager": "m", "operation": "Apply", "fieldsV1": {"f:x": {}}, "time": "t"}]
    assert folded(fields, details=False) == [{"manager": "m", "operation": "Apply"}]
    assert folded(fields, details=True) == fields
    assert folded(None, details=True) == []
    assert "managedFields" not in without_managers({"metadata": {"managedFields": fields}})["metadata"]


async def test_versions_that_went_back_end_the_process_since_nothing_held_counts_any_more() -> None:
    async with serving() as (server, client):
        server.items, server.version = [manifest("w", 7)], 70
        inventory = Inventory(Settings(), whole=(WIDGET,), split=(), indexes=())
        running = asyncio.create_task(Informer(client, inventory, Feed(WIDGET)).run())
        async with asyncio.timeout(LONG_ENOUGH):
            while not server.watches:
                await asyncio.sleep(0.005)
            server.items, server.version = [manifest("w", 3)], 30
            server.failures.append(refusal(410))
            server.end_silent_watches()
            with pytest.raises(RestoredError):
                await running
