"""What a HardeningPolicy costs a pod's creation: with and without it in one run, in turn, so both meet the same."""

from __future__ import annotations

import asyncio
import time
from statistics import median, quantiles

import orjson

from tests.bench.load import Bare, Login
from tests.bench.stage import Stage, stage
from tests.cluster.hardening_scene import await_bound, pod, policy
from tests.cluster.ledger import namespace

BARE, HARDENED = "bare", "hardened"
SIDE_BY_SIDE = 4
WARM_UP = 100


def measure(count: int) -> None:
    """Create so many pods in a namespace that no policy means, and as many in one under Restricted with defaults."""
    with stage() as control:
        for place in (BARE, HARDENED):
            namespace(control, place)
            account = {"apiVersion": "v1", "kind": "ServiceAccount"}
            control.apply(account | {"metadata": {"name": "default", "namespace": place}})
        account = {"name": "default", "namespace": "breakwater-system"}
        control.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        with control.operator():
            control.apply(policy(HARDENED))
            await_bound(control, HARDENED)
            print(
                f"pods: {count} creations each, {SIDE_BY_SIDE} at a time, with and without a policy in turn", flush=True
            )
            _show(asyncio.run(_create(control, count)))


def _show(took: dict[str, list[float]]) -> None:
    p50, p99 = ({place: cut(took[place]) for place in took} for cut in (median, _p99))
    for name, cut in (("p50", p50), ("p99", p99)):
        added = cut[HARDENED] - cut[BARE]
        ratio = cut[HARDENED] / cut[BARE]
        goal = " (goal 1 ms)" if name == "p99" else ""
        figures = f"without {cut[BARE]:.2f} ms, with {cut[HARDENED]:.2f} ms"
        print(f"  {name} {figures}: {added:+.2f} ms{goal}, {ratio:.2f} times", flush=True)


def _p99(milliseconds: list[float]) -> float:
    return quantiles(milliseconds, n=100)[98]


async def _create(control: Stage, count: int) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {BARE: [], HARDENED: []}
    async with asyncio.TaskGroup() as group:
        for worker in range(SIDE_BY_SIDE):
            group.create_task(_worker(control.login, worker, count // SIDE_BY_SIDE, took))
    return took


async def _worker(login: Login, worker: int, count: int, took: dict[str, list[float]]) -> None:
    async with Bare(login) as bare:
        for number in range(WARM_UP // SIDE_BY_SIDE + count):
            for place in (BARE, HARDENED) if number % 2 else (HARDENED, BARE):
                body = orjson.dumps(pod(place, f"pod-{worker}-{number}"))
                begun = time.perf_counter()
                await bare.send("POST", f"/api/v1/namespaces/{place}/pods", body)
                if number >= WARM_UP // SIDE_BY_SIDE:
                    took[place].append(1000 * (time.perf_counter() - begun))
