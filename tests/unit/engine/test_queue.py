from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from breakwater.engine import queue as module
from breakwater.engine.queue import DEBOUNCE, LONGEST_BACK_OFF, LONGEST_PLANNING, LONGEST_SLEEP, WorkQueue
from breakwater.kernel.references import Subject
from tests.unit.engine.clocks import Clocks

ONE, TWO = Subject("Channel", "a", "one"), Subject("Channel", "a", "two")


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def queue(clocks: Clocks) -> WorkQueue:
    return WorkQueue(clocks.wall, clocks.monotonic)


def taken(queue: WorkQueue) -> Subject | None:
    """The next subject, or None where a worker would have to wait."""
    if not len(queue):
        return None
    try:
        queue.get().send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    raise AssertionError("a ready subject was not handed out")


def drained(queue: WorkQueue) -> list[Subject]:
    subjects = []
    while (subject := taken(queue)) is not None:
        subjects.append(subject)
        queue.done(subject)
    return subjects


def after(queue: WorkQueue, clocks: Clocks, seconds: float) -> list[Subject]:
    """What becomes ready when so much time has passed."""
    clocks.pass_by(seconds)
    queue._ripen()
    return drained(queue)


def test_many_wakes_are_one_planning(queue: WorkQueue) -> None:
    for _ in range(5):
        queue.add(ONE)
    assert drained(queue) == [ONE]


def test_a_subject_is_never_planned_twice_at_once_and_a_wake_meanwhile_is_kept(queue: WorkQueue) -> None:
    queue.add(ONE)
    assert taken(queue) == ONE
    queue.add(ONE)
    assert taken(queue) is None
    queue.done(ONE)
    assert drained(queue) == [ONE]


def test_a_wake_that_the_running_plan_took_in_already_plans_no_more(queue: WorkQueue) -> None:
    queue.add(ONE)
    taken(queue)
    queue.add(ONE)
    queue.clean(ONE)
    queue.done(ONE)
    assert drained(queue) == []


def test_what_a_subject_writes_itself_does_not_wake_it_but_wakes_others(queue: WorkQueue) -> None:
    with queue.ignoring(ONE):
        queue.add(ONE)
        queue.add_debounced(ONE)
        queue.add(TWO)
    assert drained(queue) == [TWO]


def test_a_small_namespace_does_not_wait_for_a_large_one(queue: WorkQueue) -> None:
    for number in range(100):
        queue.add(Subject("Channel", "large", str(number)))
    queue.add(Subject("Channel", "small", "only"))
    assert "small" in [subject.namespace for subject in (taken(queue), taken(queue)) if subject]


def test_namespaces_take_turns_to_the_end(queue: WorkQueue) -> None:
    for namespace in "abc":
        for number in range(10):
            queue.add(Subject("Channel", namespace, str(number)))
    order = [subject.namespace for subject in drained(queue)]
    assert all(max(Counter(order[:end]).values()) - end / 3 < 1 for end in range(1, 31))


def test_a_burst_is_planned_once_and_not_later_than_its_first_wake_says(queue: WorkQueue, clocks: Clocks) -> None:
    queue.add_debounced(ONE)
    assert after(queue, clocks, DEBOUNCE * 0.6) == []
    queue.add_debounced(ONE)
    assert after(queue, clocks, DEBOUNCE * 0.6) == [ONE]
    assert after(queue, clocks, DEBOUNCE * 2) == []


def test_a_wake_is_not_lost_in_a_long_back_off(queue: WorkQueue, clocks: Clocks) -> None:
    queue.add_after(ONE, 3600)
    queue.add_debounced(ONE)
    assert after(queue, clocks, DEBOUNCE) == [ONE]


def test_the_earlier_of_two_delays_wins(queue: WorkQueue, clocks: Clocks) -> None:
    queue.add_after(ONE, 10)
    queue.add_after(ONE, 2)
    queue.add_after(ONE, 20)
    assert after(queue, clocks, 2) == [ONE]
    assert after(queue, clocks, 30) == []


def test_a_due_time_is_replaced_and_removed(queue: WorkQueue, clocks: Clocks) -> None:
    queue.add_at(ONE, clocks.wall() + dt.timedelta(seconds=10))
    queue.add_at(ONE, clocks.wall() + dt.timedelta(seconds=50))
    queue.add_at(TWO, clocks.wall() + dt.timedelta(seconds=10))
    queue.add_at(TWO, None)
    assert after(queue, clocks, 20) == []
    assert after(queue, clocks, 30) == [ONE]


def test_a_forgotten_subject_is_not_planned_any_more(queue: WorkQueue, clocks: Clocks) -> None:
    queue.add_at(ONE, clocks.wall() + dt.timedelta(seconds=1))
    queue.add_after(ONE, 1)
    queue.forget(ONE)
    assert after(queue, clocks, 5) == []


def test_back_off_grows_to_a_bound_and_starts_anew_after_success(queue: WorkQueue) -> None:
    delays = [queue.back_off(ONE) for _ in range(12)]
    assert delays[0] < 1
    assert all(delay <= LONGEST_BACK_OFF for delay in delays)
    assert delays[-1] >= LONGEST_BACK_OFF * 0.75
    queue.succeed(ONE)
    assert queue.back_off(ONE) < 1


def test_back_off_is_at_least_what_the_server_asked_for(queue: WorkQueue, clocks: Clocks) -> None:
    queue.back_off(ONE, at_least=9)
    assert after(queue, clocks, 8) == []
    assert after(queue, clocks, 1) == [ONE]


def test_a_held_subject_waits_and_then_goes_on_as_before(queue: WorkQueue, clocks: Clocks) -> None:
    queue.hold(ONE, 20)
    queue.add(ONE)
    queue.add(TWO)
    assert drained(queue) == [TWO]
    assert after(queue, clocks, 19) == []
    queue.add(ONE)
    assert after(queue, clocks, 1) == [ONE]
    queue.add(ONE)
    assert drained(queue) == [ONE]


def test_a_clock_set_forward_makes_due_what_is_due_and_leaves_delays_alone(queue: WorkQueue, clocks: Clocks) -> None:
    queue.add_at(ONE, clocks.wall() + dt.timedelta(days=30))
    queue.add_after(TWO, 60)
    clocks.jump(31 * 86400)
    queue._ripen()
    assert drained(queue) == [ONE]


def test_a_clock_set_back_makes_nothing_due_and_leaves_delays_alone(queue: WorkQueue, clocks: Clocks) -> None:
    queue.add_at(ONE, clocks.wall() + dt.timedelta(seconds=5))
    queue.add_after(TWO, 5)
    clocks.jump(-3600)
    assert after(queue, clocks, 5) == [TWO]
    assert after(queue, clocks, 3600) == [ONE]


def test_it_looks_at_the_clock_again_however_far_the_next_due_time_is(queue: WorkQueue, clocks: Clocks) -> None:
    queue.add_at(ONE, clocks.wall() + dt.timedelta(days=300))
    assert queue._until_next() == LONGEST_SLEEP


async def test_an_earlier_delay_wakes_the_timekeeper(queue: WorkQueue, clocks: Clocks) -> None:
    keeper = asyncio.create_task(queue.keep_time())
    await asyncio.sleep(0)
    queue.add_after(ONE, 0)
    async with asyncio.timeout(5):
        assert await queue.get() == ONE
    keeper.cancel()


@pytest.mark.parametrize("standstill", ["planning", "untaken", "timeless"])
def test_it_says_so_when_something_stands_still(queue: WorkQueue, clocks: Clocks, standstill: str) -> None:
    queue.add(ONE)
    if standstill == "planning":
        taken(queue)
    elif standstill == "timeless":
        drained(queue)
    assert queue.fault() is None
    clocks.pass_by(LONGEST_PLANNING + 1)
    assert queue.fault()


def test_a_quiet_queue_is_no_fault(queue: WorkQueue, clocks: Clocks) -> None:
    queue.add(ONE)
    drained(queue)
    for _ in range(20):
        clocks.pass_by(LONGEST_SLEEP)
        queue._looked = clocks.monotonic()  # as keep_time does
        assert queue.fault() is None


SUBJECTS = [Subject("Channel", namespace, name) for namespace in "ab" for name in "xyz"]
subjects = st.sampled_from(SUBJECTS)
seconds = st.sampled_from([0.0, 0.3, 1.0, 7.0, 65.0])


class Wakes(RuleBasedStateMachine):
    """Whatever the order: nobody is planned twice at once, and who was woken is planned in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.clocks = Clocks()
        self.queue = WorkQueue(self.clocks.wall, self.clocks.monotonic)
        self.running: set[Subject] = set()
        self.owed: set[Subject] = set()

    @rule(subject=subjects)
    def wake(self, subject: Subject) -> None:
        self.queue.add(subject)
        self.owed.add(subject)

    @rule(subject=subjects)
    def wake_debounced(self, subject: Subject) -> None:
        self.queue.add_debounced(subject)
        self.owed.add(subject)

    @rule(subject=subjects, delay=seconds)
    def wake_later(self, subject: Subject, delay: float) -> None:
        self.queue.add_after(subject, delay)
        self.owed.add(subject)

    @rule(subject=subjects)
    def fail(self, subject: Subject) -> None:
        self.queue.back_off(subject)
        self.owed.add(subject)

    @rule(subject=subjects, delay=seconds)
    def hold(self, subject: Subject, delay: float) -> None:
        self.queue.hold(subject, delay)

    @rule()
    def take(self) -> None:
        subject = taken(self.queue)
        if subject is not None:
            assert subject not in self.running
            self.running.add(subject)
            self.owed.discard(subject)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        subject = data.draw(st.sampled_from(sorted(self.running)))
        self.running.discard(subject)
        self.queue.done(subject)

    @rule(passed=seconds, jumped=st.sampled_from([0, 0, 3600, -3600]))
    def pass_by(self, passed: float, jumped: int) -> None:
        self.clocks.pass_by(passed)
        self.clocks.jump(jumped)
        self.queue._ripen()

    @invariant()
    def knows_how_long_it_is(self) -> None:
        assert len(self.queue) <= len(SUBJECTS)

    def teardown(self) -> None:
        for subject in self.running:
            self.queue.done(subject)
        for _ in range(4):
            self.owed -= set(drained(self.queue))
            self.owed -= set(after(self.queue, self.clocks, module.LONGEST_BACK_OFF + 70))
        assert not self.owed
        assert self.queue.is_drained


TestWakes = Wakes.TestCase
TestWakes.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_times_that_were_replaced_do_not_stay_until_they_come(queue: WorkQueue, clocks: Clocks) -> None:
    for days in range(1, 2000):
        queue.add_at(ONE, clocks.wall() + dt.timedelta(days=days))
        queue.add_at(TWO, clocks.wall() + dt.timedelta(days=days))
        queue.forget(TWO)
    assert len(queue._due_heap) < 200
    assert after(queue, clocks, 86400 * 1998) == []
    assert after(queue, clocks, 86400) == [ONE]
