"""Half an hour of 20 events a second over TLS: what does memory do?"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from tests.bench.load import MERGE, Bare
from tests.bench.stage import Stage, stage
from tests.bench.usage import cpu_seconds, memory_now, memory_peak
from tests.cluster.harness import OperatorProcess
from tests.controlplane import wait_until

CHANNELS = 200
EVENTS_A_SECOND = 20
SAMPLE_SECONDS = 5.0
WARM_UP = 0.2
"""Share of the time that the regression leaves out: caches and the allocator's arenas fill first."""


@dataclass
class Soak:
    """Samples of (hours, megabytes), and how many events were sent."""

    samples: list[tuple[float, float]] = field(default_factory=list)
    events: int = 0

    @property
    def slope(self) -> float:
        """Megabytes an hour after the warm-up, by linear regression."""
        kept = self.samples[int(len(self.samples) * WARM_UP) :]
        return statistics.linear_regression(*zip(*kept, strict=True)).slope


def measure(minutes: float) -> None:
    """Measure for so many minutes."""
    with stage() as control:
        print(f"soak: {CHANNELS} channels, {EVENTS_A_SECOND} events a second for {minutes:g} minutes", flush=True)
        control.populate(CHANNELS, "soak")
        with control.operator() as operator:
            wait_until(lambda: control.all_channels_ready(CHANNELS, "soak"), 300, "all channels being Ready", 1.0)
            cpu = cpu_seconds(operator.pid)
            names = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in control.channels("soak")]
            soak = asyncio.run(_soak(control, operator, names, minutes * 60))
            cpu = cpu_seconds(operator.pid) - cpu
            _show(soak, operator, cpu)
        if not control.all_channels_ready(CHANNELS, "soak"):
            raise RuntimeError("not all channels are Ready any more")


async def _soak(control: Stage, operator: OperatorProcess, names: list[tuple[str, str]], seconds: float) -> Soak:
    soak, started = Soak(), time.monotonic()
    sampler = asyncio.create_task(_sample(soak, operator.pid, started))
    async with Bare(control.login) as bare:
        changes = _changes(names)
        while (now := time.monotonic() - started) < seconds:
            # By the clock, not by pauses: an answer that was late is made up for.
            await asyncio.sleep(max(0.0, soak.events / EVENTS_A_SECOND - now))
            await bare.send("PATCH", *next(changes), MERGE)
            soak.events += 1
    sampler.cancel()
    return soak


async def _sample(soak: Soak, pid: int, started: float) -> None:
    while True:
        soak.samples.append(((time.monotonic() - started) / 3600, memory_now(pid)))
        await asyncio.sleep(SAMPLE_SECONDS)


def _changes(names: list[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    """Annotations of channels and labels of their Secrets in turn, each time another value."""
    root = "/apis/breakwater.dev/v1alpha1/namespaces/{}/communicationchannels/{}"
    for number in itertools.count():
        for namespace, name in names:
            note = orjson.dumps({"metadata": {"annotations": {"example.com/soak": str(number)}}})
            label = orjson.dumps({"metadata": {"labels": {"example.com/soak": str(number)}}})
            yield root.format(namespace, name), note
            yield f"/api/v1/namespaces/{namespace}/secrets/{name}-tls", label


def _show(soak: Soak, operator: OperatorProcess, cpu: float) -> None:
    errors = [line for line in operator.lines() if line.get("level") in ("warning", "error", "critical")]
    megabytes = [value for _, value in soak.samples]
    print(f"  {soak.events} events, CPU {1000 * cpu / soak.events:.2f} ms an event")
    print(f"  memory slope {soak.slope:+.2f} MB an hour over {len(megabytes)} samples without the first {WARM_UP:.0%}")
    peak = memory_peak(operator.pid)
    print(f"  memory {megabytes[0]:.0f} MB at first, {megabytes[-1]:.0f} MB at last, peak {peak:.0f} MB")
    print(f"  bugs {operator.metric('breakwater_bugs_total'):.0f}, warnings and errors logged {len(errors)} (goal 0)")
    for line in errors[:5]:
        print(f"    {line.get('message')} {line.get('error', '')}", flush=True)
