"""A cold start among 5,000 Ready resources and the Secrets made for them: nothing is to be written."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.bench.stage import Stage, stage
from tests.bench.usage import cpu_seconds, memory_now, memory_peak
from tests.cluster.harness import USER
from tests.controlplane import mutating, wait_until

QUIET = 30.0


@dataclass(frozen=True)
class Started:
    """Seconds since the process was started, megabytes, and what was written until QUIET seconds after it all."""

    ready: float
    planned: float
    cpu: float
    peak: float
    resting: float
    quiet_cpu: float
    plans: float
    writes: int


def measure(count: int) -> None:
    """Measure at a tenth of the size and at the size, each on a control plane of its own."""
    for size in (count // 10, count):
        with stage() as control:
            print(f"start: {size} Ready channels and their Secrets", flush=True)
            _make(control, size)
            _show(_start(control), size)


def _make(control: Stage, count: int) -> None:
    """Have them issued by an operator, so that they are exactly as it leaves them."""
    control.populate(count, "start")
    with control.operator() as operator:
        wait_until(lambda: operator.metric("breakwater_status_writes_total") >= count, 1800, "all statuses", 1.0)
        wait_until(lambda: control.all_channels_ready(count, "start"), 120, "all channels being Ready", 2.0)


def _start(control: Stage) -> Started:
    mark = control.audit().mark()
    operator = control.operator()
    started = time.monotonic()
    operator.start()
    try:
        operator.wait_ready(300)
        ready = time.monotonic() - started
        wait_until(lambda: any(operator.lines("settled")), 600, "all being planned once")
        planned, cpu, plans = time.monotonic() - started, cpu_seconds(operator.pid), operator.metric(PLANS)
        time.sleep(QUIET)
        return Started(
            ready,
            planned,
            cpu,
            memory_peak(operator.pid),
            memory_now(operator.pid),
            cpu_seconds(operator.pid) - cpu,
            plans,
            len(mutating(control.audit().events(mark), USER)),
        )
    finally:
        operator.stop()


PLANS = "breakwater_plans_total"


def _show(start: Started, count: int) -> None:
    print(f"  ready after {start.ready:.1f} s, everything planned once after {start.planned:.1f} s")
    print(f"  CPU until then {start.cpu:.1f} s ({1000 * start.cpu / count:.2f} ms a channel), plans {start.plans:.0f}")
    print(f"  CPU in the {QUIET:.0f} s after it {start.quiet_cpu:.2f} s")
    print(f"  memory at most {start.peak:.0f} MB, {start.resting:.0f} MB at the end")
    print(f"  writes until then {start.writes} (goal 0)", flush=True)
