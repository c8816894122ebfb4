"""What one subject wants done: pure data, with a reason for everything."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from breakwater.kernel.measurement import Measure
from breakwater.kernel.reading import Manifest, Projection
from breakwater.kernel.recipe import Recipe
from breakwater.kernel.references import Ref, Subject
from breakwater.kernel.settings import Mode


class Disruption(StrEnum):
    """What an action costs those who use its target."""

    NONE = "None"
    RELOAD = "Reload"
    RESTART = "Restart"
    OUTAGE = "Outage"


@dataclass(frozen=True, slots=True)
class Version:
    """The version of an object that a decision was made on; another one voids the decision."""

    uid: str
    resource_version: str


def _version(manifest: Manifest) -> Version:
    return Version(manifest["metadata"].get("uid", ""), manifest["metadata"].get("resourceVersion", ""))


VERSION: Projection[Version] = Projection("version", _version)
"""Changes with everything, so it is read by who writes just then."""


@dataclass(frozen=True, slots=True)
class Gone:
    """A declaration whose end is the reason to take something away; it is looked for once more, live, before that.

    Attributes:
        declaration: what is missing.
        definition: uid of its kind's definition. A definition that is applied anew comes without its resources, and
            their absence under it says nothing.
    """

    declaration: Ref
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One step. Steps without a common `after` chain are independent: a failed one stops only what depends on it.

    Attributes:
        id: unique in the plan and stable over plans; failures are remembered by it.
        target: the object that is written.
        reason: CamelCase, for events and metrics.
        message: a sentence that says why.
        after: ids that must have succeeded first, in this round or an earlier one.
        disruption: what it costs those who use the target.
        notable: whether people should find an event about it.
        takes_away: whether something may be lost by it; such steps need full knowledge.
        gone: declarations whose end is the reason; each of them must be permitted to go, see `pruning`.
        leaves: facts that hold once it is done, for as long as this process lives: whoever undoes it right away, before
            anybody could plan on it, does not undo that it was done.
    """

    id: str
    target: Ref
    reason: str
    message: str
    after: tuple[str, ...] = ()
    disruption: Disruption = Disruption.NONE
    notable: bool = False
    takes_away: bool = False
    gone: tuple[Gone, ...] = ()
    leaves: Mapping[Hashable, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyObject(Action):
    """Server-side apply of an object that we made and that holds no secret; its fields are ours and are taken back."""

    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyFields(Action):
    """Server-side apply of single fields on an object of others, as `manager`; never forced.

    Two askers with one manager would erase each other's fields, hence one manager per asking resource.

    Attributes:
        manifest: name and fields.
        manager: as whom.
        decided_on: the object as it was looked at. Its uid keeps a deleted one from coming back as a stub; its version
            voids a request that comes late, or again because its answer was lost.
        defended: whether its fields are to stand for good. Then writing them again because somebody took them away is a
            re-take, and is given up after the third in ten minutes; what is ordered once is not.
    """

    manifest: Manifest
    manager: str
    decided_on: Version
    defended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchFields(Action):
    """Strategic merge patch of single fields in an object of others, as `manager`; null takes a field away.

    For fields inside of lists that others apply: server-side apply would hold the list's item as well, which they could
    not remove any more. A patch takes from whoever holds a field, so its plan must have seen that nobody does.

    Attributes:
        manifest: the patch.
        manager: as whom.
        decided_on: the object as it was looked at; its version voids a request that comes late, or again because its
            answer was lost.
    """

    manifest: Manifest
    manager: str
    decided_on: Version


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteSecret(Action):
    """A Secret that holds a key or a password: created by POST, changed by PUT, never by apply.

    Attributes:
        parts: what its data is made of, later parts over earlier ones.
        secret_type: `type`, immutable once created.
        labels, annotations: ours; those of others stay, but for kubectl's last-applied, which would keep a copy of the
            data. None removes one.
        replaces: the version to change; None creates, and fails where the object has appeared meanwhile.
    """

    parts: tuple[Recipe, ...]
    secret_type: str
    labels: Mapping[str, str | None]
    annotations: Mapping[str, str | None]
    replaces: Version | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelabelSecret(Action):
    """Labels and annotations of a Secret of ours, its data untouched; None removes one."""

    labels: Mapping[str, str | None]
    annotations: Mapping[str, str | None]
    replaces: Version


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteObject(Action):
    """Deletes one version of an object of ours.

    Attributes:
        replaces: exactly this version, so that what changed since is not lost.
    """

    replaces: Version


class Ending(StrEnum):
    """What becomes of a failed action."""

    AGAIN = "Again"
    AT = "At"
    STALLED = "Stalled"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an action failed, and what happens next.

    Attributes:
        reason: CamelCase, for a condition.
        message: what went wrong and what the user can do; without content of Secrets.
        ending: tried again with back-off, at a time, or not until something changes.
        at: seconds from now for `Ending.AT`.
    """

    reason: str
    message: str
    ending: Ending = Ending.AGAIN
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Contest:
    """Somebody keeps changing fields that we own; we stopped taking them back.

    Attributes:
        manager: the field manager, as the API server names it.
        takes: how often we took the fields back in the window.
    """

    manager: str
    takes: int


@dataclass(frozen=True, slots=True)
class Withheld:
    """An action that a plan wants and the rules of the house keep back."""

    action: Action
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole answer of one plan.

    Attributes:
        actions: sorted by dependency and id.
        status: the resource's status as it should stand; None where the subject has none to write.
        due: plan again no later than this.
        measures: what to measure from now on; what is missing here is measured no more.
        mentions: the derived subjects that exist because of this plan, each with what is said to it; they read that as
            `World.askers`.
        value: what others may read of a derived subject.
        mode: as declared, before the ceilings of namespace and operator.
        suspended: `spec.suspend`; status and measurements go on, nothing else.
        withheld: filled in by `restrain`.
    """

    actions: tuple[Action, ...] = ()
    status: Mapping[str, Any] | None = None
    due: datetime | None = None
    measures: tuple[Measure, ...] = ()
    mentions: Mapping[Subject, Any] = field(default_factory=dict)
    value: Any = None
    mode: Mode = Mode.ENFORCE
    suspended: bool = False
    withheld: tuple[Withheld, ...] = field(default=())
