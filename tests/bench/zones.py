"""500 zones over 500 Ingresses, from nothing to Ready: time, writes, memory, and what stays quiet afterwards."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import orjson

from tests.bench.load import Bare, side_by_side
from tests.bench.stage import Stage, namespace_of, stage
from tests.bench.usage import memory_now, memory_peak, shown
from tests.cluster.harness import is_ready
from tests.cluster.traefik import define, ingress
from tests.controlplane import wait_until
from tests.controlplane.audit import MUTATING_VERBS

ZONES = "/apis/breakwater.dev/v1alpha1/securityzones"
QUIET_SECONDS = 60
PREFIX = "zones"


def measure(count: int) -> None:
    """Measure on a control plane of its own; no engine runs, so nothing is asked but the API server."""
    with stage() as control:
        define(control)
        print(f"zones: {count} zones with two features, each over one Ingress", flush=True)
        asyncio.run(_populate(control, count))
        mark, operator = control.audit().mark(), control.operator()
        operator.start()
        try:
            operator.wait_leading(120)
            started, meter = time.monotonic(), control.meter(operator)
            wait_until(lambda: _all_ready(control, count), 600, "all zones being Ready", 1.0)
            wall, cpu = time.monotonic() - started, meter.read()
            writes = [event for event in control.requests(mark) if event.verb in MUTATING_VERBS]
            by_verb = Counter(f"{event.verb} {event.resource}/{event.subresource}".rstrip("/") for event in writes)
            print(f"  wall {wall:.1f} s, of it 5 s until the engine may have seen a Middleware; CPU {shown(cpu)}")
            print(f"  writes a zone {len(writes) / count:.2f}: {dict(by_verb)}")
            _quiet(control)
            print(f"  memory {memory_now(operator.pid):.0f} MB, peak {memory_peak(operator.pid):.0f} MB", flush=True)
        finally:
            operator.stop()


def _quiet(control: Stage) -> None:
    mark = control.audit().mark()
    time.sleep(QUIET_SECONDS)
    writes = [event for event in control.requests(mark) if event.verb in MUTATING_VERBS]
    print(f"  {len(writes)} writes in {QUIET_SECONDS} quiet s (goal 0)")


def _all_ready(control: Stage, count: int) -> bool:
    found = asyncio.run(_read(control))
    return len(found) == count and all(map(is_ready, found))


async def _read(control: Stage) -> list[dict[str, Any]]:
    async with Bare(control.login) as bare:
        return [dict(item) async for item in bare.items(ZONES)]


async def _populate(control: Stage, count: int) -> None:
    spaces = {namespace_of(PREFIX, number): None for number in range(count)}
    async with Bare(control.login) as bare:
        await side_by_side(spaces, lambda name: bare.send("POST", "/api/v1/namespaces", _namespace(name)))
        await side_by_side(range(count), lambda number: bare.send("POST", *_new_ingress(number)))
        await side_by_side(range(count), lambda number: bare.send("POST", *_new_zone(number)))


def _namespace(name: str) -> bytes:
    return orjson.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def _new_ingress(number: int) -> tuple[str, bytes]:
    namespace = namespace_of(PREFIX, number)
    _, manifest = ingress(namespace, f"app-{number}", 80)
    return f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses", orjson.dumps(manifest)


def _new_zone(number: int) -> tuple[str, bytes]:
    namespace = namespace_of(PREFIX, number)
    spec = {
        "mode": "Enforce",
        "ingressSelector": {"matchLabels": {"app": f"app-{number}"}},
        "hsts": {"enabled": True},
        "httpsRedirect": {"enabled": True},
    }
    manifest = {
        "apiVersion": "breakwater.dev/v1alpha1",
        "kind": "SecurityZone",
        "metadata": {"name": f"zone-{number}", "namespace": namespace},
        "spec": spec,
    }
    return f"/apis/breakwater.dev/v1alpha1/namespaces/{namespace}/securityzones", orjson.dumps(manifest)
