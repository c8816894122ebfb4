"""1,000 channels with one server certificate each, from nothing to Ready, beside the same bytes written raw."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import orjson

from tests.bench.load import Bare, side_by_side
from tests.bench.stage import Stage, stage
from tests.bench.usage import Meter, memory_peak, shown
from tests.cluster.harness import OperatorProcess
from tests.controlplane import wait_until
from tests.controlplane.audit import MUTATING_VERBS, AuditEvent


@dataclass(frozen=True)
class Issued:
    """What one run came to; seconds, and CPU seconds by process."""

    count: int
    wall: float
    cpu: dict[str, float]
    peak: float
    requests: Counter[str]
    plans: float


def measure(count: int) -> None:
    """Measure at a tenth of the size and at the size, each on a control plane of its own."""
    for size in (count // 10, count):
        with stage() as control:
            print(f"issue: {size} channels, one ECDSA P-256 server certificate each", flush=True)
            issued = _issue(control, size)
            _show(issued)
            _compare(issued, *_raw(control, size))


def _issue(control: Stage, count: int) -> Issued:
    control.populate(count, "issue")
    mark = control.audit().mark()
    operator = control.operator()
    operator.start()
    try:
        operator.wait_leading(120)
        meter = control.meter(operator)
        # A question to the operator costs little; the API server is asked when the number of writes is right.
        written = lambda: operator.metric("breakwater_status_writes_total") >= count  # noqa: E731
        wait_until(written, 600, "a status for each channel", 0.2)
        cpu = meter.read()
        wait_until(lambda: control.all_channels_ready(count, "issue"), 60, "all channels being Ready", 0.5)
        events = control.requests(mark)
        done = max(event.time.timestamp() for event in events if event.subresource == "status")
        return Issued(
            count,
            done - _leading(operator),
            cpu,
            memory_peak(operator.pid),
            _by_verb(events),
            operator.metric("breakwater_plans_total"),
        )
    finally:
        operator.stop()


def _leading(operator: OperatorProcess) -> float:
    return dt.datetime.fromisoformat(next(operator.lines("leading"))["time"]).timestamp()


def _by_verb(events: list[AuditEvent]) -> Counter[str]:
    """Requests about single objects, by verb and type; lists and watches go by themselves."""
    return Counter(f"{event.verb} {event.resource}/{event.subresource}".rstrip("/") for event in events)


def _show(issued: Issued) -> None:
    count = issued.count
    print(f"  wall {issued.wall:.1f} s, {1000 * issued.wall / count:.1f} ms a channel")
    print(f"  CPU {shown(issued.cpu)}; operator {1000 * issued.cpu['operator'] / count:.2f} ms a channel")
    print(f"  plans {issued.plans / count:.2f} a channel; peak memory {issued.peak:.0f} MB (goal 150)")
    writes = {name: number for name, number in issued.requests.items() if name.split()[0] in MUTATING_VERBS}
    reads = {name: number for name, number in issued.requests.items() if name not in writes}
    print(f"  writes a channel {sum(writes.values()) / count:.3f} (goal 2): {writes}")
    print(f"  reads {reads} (goal: lists and watches only)", flush=True)


@dataclass(frozen=True)
class Pair:
    """What stands at the end for one channel: its Secret, and itself with its status."""

    namespace: str
    name: str
    secret: bytes
    status: bytes


def _raw(control: Stage, count: int) -> tuple[float, dict[str, float]]:
    """The same Secrets and statuses, to other channels, while no operator watches."""
    secrets = {item["metadata"]["name"]: item for item in control.secrets("issue")}
    statuses = {item["metadata"]["name"]: item["status"] for item in control.channels("issue")}
    control.populate(count, "raw")
    pairs = [
        _pair(item, secrets[f"{item['metadata']['name']}-tls"], statuses[item["metadata"]["name"]])
        for item in control.channels("raw")
    ]
    return asyncio.run(_write(control, pairs))


def _pair(channel: dict[str, Any], secret: dict[str, Any], status: dict[str, Any]) -> Pair:
    namespace, name = channel["metadata"]["namespace"], channel["metadata"]["name"]
    metadata = {key: secret["metadata"][key] for key in ("name", "labels", "annotations")} | {"namespace": namespace}
    del channel["metadata"]["managedFields"]
    return Pair(
        namespace,
        name,
        orjson.dumps(secret | {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}),
        orjson.dumps(channel | {"status": status}),
    )


async def _write(control: Stage, pairs: list[Pair]) -> tuple[float, dict[str, float]]:
    async with Bare(control.login) as bare:
        meter = Meter.start(client=os.getpid(), **control.pids())
        started = time.monotonic()
        await side_by_side(pairs, lambda pair: _write_one(bare, pair))
        return time.monotonic() - started, meter.read()


async def _write_one(bare: Bare, pair: Pair) -> None:
    await bare.send("POST", f"/api/v1/namespaces/{pair.namespace}/secrets", pair.secret)
    channel = f"/apis/breakwater.dev/v1alpha1/namespaces/{pair.namespace}/communicationchannels/{pair.name}"
    await bare.send("PUT", f"{channel}/status", pair.status)


def _compare(issued: Issued, wall: float, cpu: dict[str, float]) -> None:
    print(f"  the same bytes raw: wall {wall:.1f} s, CPU {shown(cpu)}")
    servers = {name: issued.cpu[name] / seconds for name, seconds in cpu.items() if name in issued.cpu and seconds}
    print(f"  ratio of wall times {issued.wall / wall:.2f} (goal at most 3); of CPU: {ratios(servers)}", flush=True)


def ratios(values: dict[str, float]) -> str:
    """Ratios by name in one line."""
    return ", ".join(f"{name} {value:.2f}" for name, value in values.items())
