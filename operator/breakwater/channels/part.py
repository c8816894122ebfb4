"""One part of a channel, such as its server certificate: what to do, what to say, what status shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from breakwater.channels.kind import CommunicationChannelSpec
from breakwater.kernel.condition import Condition, false, true, unknown
from breakwater.kernel.declaration import Declared
from breakwater.kernel.ownership import DELETION_POLICY, MANAGED_BY, MANAGER, SUBJECT
from breakwater.kernel.plan import Action, Failure
from breakwater.kernel.reading import LABELS, Present
from breakwater.kernel.references import NAMESPACE, SECRET, Ref, Subject
from breakwater.kernel.world import World


@dataclass(frozen=True, slots=True)
class Asked:
    """What every part of one channel's plan is computed from."""

    subject: Subject
    declared: Declared[CommunicationChannelSpec]
    spec: CommunicationChannelSpec
    world: World
    now: datetime
    status: Mapping[str, Any]
    """As it stands, decoded."""

    @property
    def namespace(self) -> str:
        """The channel's own, the only one that it writes to."""
        return self.subject.namespace

    def secret(self, name: str) -> Ref:
        """A Secret of the channel's namespace."""
        return Ref(SECRET, self.subject.namespace, name)

    def namespace_labels(self) -> Mapping[str, str] | None:
        """Labels of the channel's namespace; None while they are not known."""
        reading = self.world.get(Ref(NAMESPACE, "", self.namespace), LABELS)
        return reading.value if isinstance(reading, Present) else None

    def marks(self) -> tuple[dict[str, str], dict[str, str]]:
        """Labels and annotations of everything that the channel makes."""
        annotations = {SUBJECT: str(self.subject), DELETION_POLICY: self.spec.deletion_policy.value}
        return {MANAGED_BY: MANAGER}, annotations


@dataclass(frozen=True, slots=True)
class Part:
    """The answer of one part.

    Attributes:
        condition: its contribution to Ready; its type names the part.
        accepted: why the cluster refuses what was declared; None when it does not.
        actions: what it wants done.
        due: when it wants to be planned again.
        stalled: whether only a person can go on.
        status: its contribution to status.
        found: what other parts need of it.
    """

    condition: Condition
    accepted: Condition | None = None
    actions: tuple[Action, ...] = ()
    due: datetime | None = None
    stalled: bool = False
    status: Mapping[str, Any] = field(default_factory=dict)
    found: Any = None


def in_place(
    name: str, *, found: Any = None, due: datetime | None = None, status: Mapping[str, Any] | None = None
) -> Part:
    """Nothing to do."""
    return Part(true(name, "InPlace"), due=due, status=status or {}, found=found)


def pending(name: str, action: Action, failure: Failure | None, **rest: Any) -> Part:
    """Something is to be written; if that failed before, why."""
    if failure is not None:
        return Part(false(name, failure.reason, failure.message), actions=(action,), **rest)
    return Part(false(name, action.reason, action.message), actions=(action,), **rest)


def refused(name: str, reason: str, message: str) -> Part:
    """What only the cluster can tell: the declaration cannot be met as it stands."""
    return Part(false(name, reason, message), accepted=false("Accepted", reason, message))


def waiting(name: str, reason: str, message: str, *, known: bool = True, **rest: Any) -> Part:
    """Something that it needs is not there (or, if not known, cannot be told)."""
    return Part(false(name, reason, message) if known else unknown(name, reason, message), **rest)
