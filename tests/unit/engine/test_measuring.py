"""Measurements stay fresh, wake only when they say something new, and survive a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from breakwater.cluster.inventory import Inventory, Listener
from breakwater.engine import measuring as module
from breakwater.engine.measuring import Measuring
from breakwater.engine.metrics import Metrics
from breakwater.kernel.measurement import SHORTEST_VALIDITY, Measure, Measurement, Result
from breakwater.kernel.reading import Absent, Present
from breakwater.kernel.references import Subject
from breakwater.kernel.settings import Settings
from breakwater.kernel.world import Source

CHANNEL = Subject("CommunicationChannel", "bpm", "web")
KEY = ("measured", CHANNEL, "Handshake")
T0 = datetime(2026, 1, 1, tzinfo=UTC)
OFTEN = timedelta(seconds=0.02)


@dataclass(frozen=True)
class Question:
    """A probe of the tests."""

    text: str = "?"


@dataclass
class Finding:
    """What the server said."""

    result: Result = Result.HOLDS
    reason: str = "Verified"
    message: str = "fine"
    facts: dict[str, str] = field(default_factory=dict)


class Server:
    """Answers probes as it is told, and counts them."""

    def __init__(self) -> None:
        self.answer: Finding | Exception = Finding()
        self.asked = 0

    async def probe(self, _: Question, __: Source, ___: datetime) -> Finding:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Told(Listener):
    """Counts what listeners are told."""

    def __init__(self) -> None:
        self.facts: list[Hashable] = []

    def fact(self, key: Hashable, **_: object) -> None:
        self.facts.append(key)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def inventory() -> Inventory:
    made = Inventory(Settings(), whole=(), split=(), indexes=())
    made.listener = Told()
    return made


@pytest.fixture
async def measuring(inventory: Inventory, server: Server) -> AsyncIterator[Measuring]:
    made = Measuring(inventory, {Question: server.probe}, Metrics(), lambda: T0)
    yield made
    await made.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def measure(digest: str = "d", interval: timedelta = OFTEN) -> Measure:
    return Measure("Handshake", Question(), digest, interval)


def held(inventory: Inventory) -> Measurement:
    reading = inventory.fact(KEY)
    assert isinstance(reading, Present)
    return reading.value


async def test_the_same_answer_again_wakes_nobody(inventory: Inventory, measuring: Measuring, server: Server) -> None:
    measuring.want(CHANNEL, (measure(),))
    await until(lambda: server.asked >= 4)
    assert isinstance(inventory.listener, Told)
    assert inventory.listener.facts == [KEY]


async def test_another_answer_wakes_the_reader(inventory: Inventory, measuring: Measuring, server: Server) -> None:
    measuring.want(CHANNEL, (measure(),))
    await until(lambda: server.asked >= 1)
    server.answer = Finding(Result.FAILS, "NameMismatch", "not for this name")
    await until(lambda: held(inventory).result is Result.FAILS)
    assert isinstance(inventory.listener, Told)
    assert inventory.listener.facts == [KEY, KEY]


async def test_a_measurement_counts_far_longer_than_its_interval(inventory: Inventory, measuring: Measuring) -> None:
    measuring.want(CHANNEL, (measure(),))
    await until(lambda: isinstance(inventory.fact(KEY), Present))
    assert held(inventory).valid_until - T0 == SHORTEST_VALIDITY


async def test_what_is_not_wanted_any_more_is_forgotten(
    inventory: Inventory, measuring: Measuring, server: Server
) -> None:
    measuring.want(CHANNEL, (measure(),))
    await until(lambda: server.asked >= 1)
    measuring.want(CHANNEL, ())
    assert isinstance(inventory.fact(KEY), Absent)
    asked = server.asked
    await asyncio.sleep(3 * OFTEN.total_seconds())
    assert server.asked == asked


async def test_a_proof_from_status_is_not_taken_anew_before_its_time(
    inventory: Inventory, measuring: Measuring, server: Server
) -> None:
    known = Measurement("Handshake", "d", T0, T0 + SHORTEST_VALIDITY, Result.HOLDS, "Verified", "fine")
    measuring.seed(CHANNEL, [known])
    measuring.want(CHANNEL, (measure(interval=timedelta(hours=1)),))
    await asyncio.sleep(0.1)
    assert server.asked == 0
    assert held(inventory) == known


async def test_a_proof_of_something_else_is_taken_anew_at_once(
    inventory: Inventory, measuring: Measuring, server: Server
) -> None:
    known = Measurement("Handshake", "old", T0, T0 + SHORTEST_VALIDITY, Result.HOLDS, "Verified", "fine")
    measuring.seed(CHANNEL, [known])
    measuring.want(CHANNEL, (measure(interval=timedelta(hours=1)),))
    await until(lambda: held(inventory).digest == "d")
    assert server.asked == 1


async def test_a_broken_probe_is_unknown_counted_and_tried_again(
    inventory: Inventory, measuring: Measuring, server: Server
) -> None:
    server.answer = RuntimeError("mistake of ours")
    measuring.want(CHANNEL, (measure(),))
    await until(lambda: server.asked >= 2)
    assert (held(inventory).result, held(inventory).reason) == (Result.UNKNOWN, "ProbeBroken")
    server.answer = Finding()
    await until(lambda: held(inventory).result is Result.HOLDS)


@pytest.mark.parametrize("result", [Result.FAILS, Result.UNKNOWN])
async def test_what_did_not_hold_is_measured_again_soon_whatever_its_interval(
    inventory: Inventory, measuring: Measuring, server: Server, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_RETRY", 0.05)
    known = Measurement("Handshake", "d", T0, T0 + SHORTEST_VALIDITY, result, "Refused", "it is down")
    measuring.seed(CHANNEL, [known])
    measuring.want(CHANNEL, (measure(interval=timedelta(hours=24)),))
    await until(lambda: held(inventory).result is Result.HOLDS)


async def test_silent_servers_of_one_namespace_leave_places_to_others(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE_IN_A_NAMESPACE", 2)
    silent = asyncio.Event()
    asked: list[str] = []

    async def probe(question: Question, _: Source, __: datetime) -> Finding:
        asked.append(question.text)
        if question.text == "silent":
            await silent.wait()
        return Finding()

    made = Measuring(inventory, {Question: probe}, Metrics(), lambda: T0)
    for number in range(5):
        made.want(
            Subject("CommunicationChannel", "noisy", str(number)), (Measure("H", Question("silent"), "d", OFTEN),)
        )
    made.want(CHANNEL, (Measure("H", Question("quick"), "d", OFTEN),))
    await until(lambda: "quick" in asked)
    assert asked.count("silent") == 2
    await made.close()


async def test_a_series_ends_with_its_measurement(inventory: Inventory, server: Server) -> None:
    metrics = Metrics()
    made = Measuring(inventory, {Question: server.probe}, metrics, lambda: T0)
    name = "breakwater_measurement_timestamp_seconds"
    labels = {"kind": "CommunicationChannel", "namespace": "bpm", "name": "web", "measurement": "Handshake"}
    made.want(CHANNEL, (measure(),))
    await until(lambda: metrics.registry.get_sample_value(name, labels) is not None)
    made.want(CHANNEL, ())
    assert metrics.registry.get_sample_value(name, labels) is None
    await made.close()
