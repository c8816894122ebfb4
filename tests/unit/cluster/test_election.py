from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from breakwater.cluster import election as module
from breakwater.cluster.client import ApiError
from breakwater.cluster.election import Election, LeaseLostError, LeaseTimes
from breakwater.kernel.references import LEASE, Ref, Resource

NAME = Ref(LEASE, "system", "breakwater")
TIMES = LeaseTimes(duration=15, renew=4.0, deadline=10.0)
GONE = ApiError(0, "Unreachable", "no answer")


class FakeWriter:
    """One Lease as an API server keeps it; `trouble` is raised, or awaited, before each request."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.trouble: ApiError | Callable[[], Any] | None = None

    async def read(self, ref: Ref) -> Mapping[str, Any] | None:
        await self._meet_trouble()
        assert ref == NAME
        return self.lease

    async def create(self, resource: Resource, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        await self._meet_trouble()
        assert resource is LEASE
        if self.lease is not None:
            raise ApiError(409, "AlreadyExists", "exists")
        return self._keep(manifest)

    async def replace(self, ref: Ref, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        await self._meet_trouble()
        assert ref == NAME
        if self.lease is None or manifest["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "changed")
        return self._keep(manifest)

    def take(self, holder: str) -> None:
        """Another instance writes it."""
        self._keep({"metadata": {}, "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15}})

    def _keep(self, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        self.version += 1
        self.lease = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(self.version)}}
        return self.lease

    async def _meet_trouble(self) -> None:
        if isinstance(self.trouble, ApiError):
            raise self.trouble
        if self.trouble is not None:
            await self.trouble()

    @property
    def holder(self) -> str:
        assert self.lease is not None
        return str(self.lease["spec"]["holderIdentity"])


class Time:
    """A clock that runs as fast as somebody sleeps: `asyncio.sleep` of the module under test."""

    def __init__(self) -> None:
        self.now = 0.0
        self.at: list[tuple[float, Callable[[], None]]] = []

    def __call__(self) -> float:
        return self.now

    def when(self, seconds: float, happens: Callable[[], None]) -> None:
        self.at.append((seconds, happens))

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        for item in [item for item in self.at if item[0] <= self.now]:
            self.at.remove(item)
            item[1]()
        await REAL_SLEEP(0)


REAL_SLEEP = asyncio.sleep


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(module.asyncio, "sleep", clock.sleep)
    return clock


@pytest.fixture
def writer() -> FakeWriter:
    return FakeWriter()


def election(writer: FakeWriter, time: Time, identity: str = "me") -> Election:
    return Election(writer, NAME, identity, TIMES, time)  # type: ignore[arg-type]


async def test_the_first_one_leads_at_once(writer: FakeWriter, time: Time) -> None:
    await election(writer, time).acquire()
    assert writer.holder == "me"
    assert time.now == 0


async def test_a_leader_that_is_not_seen_to_renew_is_followed_after_its_duration(
    writer: FakeWriter, time: Time
) -> None:
    writer.take("other")
    await election(writer, time).acquire()
    assert writer.holder == "me"
    assert TIMES.duration < time.now < TIMES.duration + 2.5


async def test_a_leader_that_renews_is_left_alone_whatever_its_clock_says(writer: FakeWriter, time: Time) -> None:
    writer.take("other")
    for second in range(10, 100, 10):
        time.when(second, lambda: writer.take("other"))
    await election(writer, time).acquire()
    assert time.now > 90 + TIMES.duration


async def test_a_released_lease_is_taken_within_two_seconds(writer: FakeWriter, time: Time) -> None:
    leader = election(writer, time, "leader")
    await leader.acquire()
    await leader.release()
    released = time.now
    await election(writer, time).acquire()
    assert writer.holder == "me"
    assert time.now - released < 2


async def test_the_same_identity_takes_its_lease_up_again_at_once(writer: FakeWriter, time: Time) -> None:
    await election(writer, time).acquire()
    await election(writer, time).acquire()
    assert time.now == 0


async def test_of_two_that_found_no_lease_the_first_to_write_leads(writer: FakeWriter, time: Time) -> None:
    create = writer.create

    async def overtaken(resource: Resource, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        writer.take("other")
        return await create(resource, manifest)

    writer.create = overtaken  # type: ignore[method-assign]
    with pytest.raises(ApiError):
        await election(writer, time)._try_acquire()
    assert writer.holder == "other"


async def test_it_waits_for_an_api_server_that_is_away(writer: FakeWriter, time: Time) -> None:
    writer.trouble = GONE
    time.when(30, lambda: setattr(writer, "trouble", None))
    await election(writer, time).acquire()
    assert 30 <= time.now < 33


async def test_it_renews_in_time(writer: FakeWriter, time: Time) -> None:
    mine = election(writer, time)
    await mine.acquire()
    first = writer.version
    keeping = asyncio.ensure_future(mine.keep())
    for _ in range(50):
        await REAL_SLEEP(0)
    assert writer.version - first > 3
    assert (writer.version - first) == pytest.approx(time.now / TIMES.renew, abs=1)
    keeping.cancel()


async def test_it_gives_up_when_another_has_taken_the_lease(writer: FakeWriter, time: Time) -> None:
    mine = election(writer, time)
    await mine.acquire()
    time.when(8, lambda: writer.take("other"))
    with pytest.raises(LeaseLostError):
        await mine.keep()
    assert time.now <= 8 + TIMES.renew
    await mine.release()
    assert writer.holder == "other"


@pytest.mark.parametrize("trouble", [GONE, ApiError(500, "InternalError", ""), ApiError(403, "Forbidden", "")])
async def test_it_gives_up_before_others_may_take_over_when_it_cannot_renew(
    writer: FakeWriter, time: Time, trouble: ApiError
) -> None:
    mine = election(writer, time)
    await mine.acquire()
    writer.trouble = trouble
    with pytest.raises(LeaseLostError):
        await mine.keep()
    assert time.now < TIMES.duration


async def test_a_short_absence_of_the_api_server_costs_nothing(writer: FakeWriter, time: Time) -> None:
    mine = election(writer, time)
    await mine.acquire()
    time.when(4, lambda: setattr(writer, "trouble", GONE))
    time.when(9, lambda: setattr(writer, "trouble", None))
    time.when(60, lambda: writer.take("other"))
    with pytest.raises(LeaseLostError, match="another"):
        await mine.keep()
    assert time.now >= 60


async def test_a_process_that_was_paused_for_longer_than_the_deadline_does_not_renew(
    writer: FakeWriter, time: Time
) -> None:
    mine = election(writer, time)
    await mine.acquire()
    version = writer.version
    time.when(1, lambda: setattr(time, "now", time.now + 60))
    with pytest.raises(LeaseLostError, match="in time"):
        await mine.keep()
    assert writer.version == version


async def test_a_silent_api_server_does_not_hold_a_leader_beyond_the_deadline(writer: FakeWriter) -> None:
    """In real time: the request is accepted and never answered."""
    times = LeaseTimes(duration=1, renew=0.05, deadline=0.4)
    loop = asyncio.get_running_loop()
    mine = Election(writer, NAME, "me", times, loop.time)  # type: ignore[arg-type]
    await mine.acquire()
    writer.trouble = asyncio.Event().wait
    started = loop.time()
    with pytest.raises(LeaseLostError):
        async with asyncio.timeout(5):
            await mine.keep()
    assert loop.time() - started < times.duration


async def test_a_change_of_the_lease_that_leaves_the_holder_is_no_loss(writer: FakeWriter, time: Time) -> None:
    mine = election(writer, time)
    await mine.acquire()
    original = writer.replace

    async def overtaken(ref: Ref, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
        writer.replace = original  # type: ignore[method-assign]
        writer.take("me")  # somebody annotated it
        return await original(ref, manifest)

    writer.replace = overtaken  # type: ignore[method-assign]
    assert await mine._renew()


async def test_a_deleted_lease_is_lost(writer: FakeWriter, time: Time) -> None:
    mine = election(writer, time)
    await mine.acquire()
    writer.lease = None
    with pytest.raises(LeaseLostError):
        await mine.keep()


async def test_what_passes_between_winning_and_keeping_counts_against_the_deadline(
    writer: FakeWriter, time: Time
) -> None:
    mine = election(writer, time)
    await mine.acquire()
    time.now += TIMES.deadline + 1
    with pytest.raises(LeaseLostError):
        await mine.keep()
