"""Pods as restarts need them: since when they are ready, and how many may be missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from breakwater.kernel.fields import LabelSelector
from breakwater.kernel.model import InvalidModelError
from breakwater.kernel.reading import Manifest, Present, Projection
from breakwater.kernel.references import POD, POD_DISRUPTION_BUDGET
from breakwater.kernel.time import from_rfc3339
from breakwater.kernel.world import World


@dataclass(frozen=True, slots=True)
class WithLabels:
    """Selects what bears all of these."""

    labels: tuple[tuple[str, str], ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether it is selected."""
        return all(labels.get(key) == value for key, value in self.labels)


def ready_since(manifest: Manifest) -> str:
    """When a pod became ready, as written; empty while it is not."""
    conditions = (manifest.get("status") or {}).get("conditions") or ()
    found = (item for item in conditions if item.get("type") == "Ready" and item.get("status") == "True")
    ready: Mapping[str, Any] = next(found, {})
    return str(ready.get("lastTransitionTime") or "")


READY_SINCE: Projection[datetime | None] = Projection(
    "ready-since", lambda manifest: from_rfc3339((manifest.get("status") or {}).get("readySince"))
)


def all_ready_since(world: World, namespace: str, labels: tuple[tuple[str, str], ...]) -> datetime | None:
    """Since when the youngest of these pods is ready; None while it cannot be told."""
    reading = world.select(POD, READY_SINCE, selector=WithLabels(labels), namespace=namespace)
    since = [at for _, at in reading.value if at is not None] if isinstance(reading, Present) else []
    return max(since, default=None)


@dataclass(frozen=True, slots=True)
class Budget:
    """A PodDisruptionBudget: whose pods, and whether one of them may be missing now."""

    selector: LabelSelector | None
    allows: bool


def _budget(manifest: Manifest) -> Budget:
    try:
        selector = LabelSelector.read((manifest.get("spec") or {}).get("selector") or {})
    except InvalidModelError:
        selector = None
    return Budget(selector, int((manifest.get("status") or {}).get("disruptionsAllowed") or 0) > 0)


BUDGET: Projection[Budget] = Projection("disruption-budget", _budget)


def forbidding_budget(world: World, namespace: str, labels: Iterable[tuple[str, str]]) -> str:
    """The name of a budget of these pods that allows no disruption now; empty when none forbids it."""
    reading = world.select(POD_DISRUPTION_BUDGET, BUDGET, namespace=namespace)
    bears: dict[str, Any] = dict(labels)
    for ref, budget in reading.value if isinstance(reading, Present) else ():
        if not budget.allows and budget.selector is not None and budget.selector.matches(bears):
            return ref.name
    return ""
