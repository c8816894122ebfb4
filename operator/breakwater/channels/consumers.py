"""Who uses a channel's Secrets: declared by the channel, or found in pod templates. Those nobody declared are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from breakwater.channels.part import Asked
from breakwater.kernel.reading import Present
from breakwater.workloads.consumers import CONSUMERS

MOST_SHOWN = 64


@dataclass(frozen=True, slots=True)
class Used:
    """Workloads, as (kind, name), and `status.consumers`."""

    workloads: frozenset[tuple[str, str]]
    status: list[dict[str, Any]]


def consumers_of(asked: Asked, secrets: tuple[str, ...]) -> Used:
    """Find them, and put them beside what is declared."""
    declared = {(consumer.kind.value, consumer.name) for consumer in asked.spec.consumers}
    uses: dict[tuple[str, str], list[str]] = {workload: [] for workload in declared}
    for secret in secrets:
        found = asked.world.indexed(CONSUMERS, (asked.namespace, secret))
        for ref, _ in found.value if isinstance(found, Present) else ():
            uses.setdefault((ref.resource.kind, ref.name), []).append(secret)
    status = [
        {"kind": kind, "name": name, "declared": (kind, name) in declared} | ({"secrets": used} if used else {})
        for (kind, name), used in sorted(uses.items())
    ]
    return Used(frozenset(uses), status[:MOST_SHOWN])
