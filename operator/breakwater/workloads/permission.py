"""Whether a workload may be restarted now, and how a restart that was ordered goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from breakwater.certificates.rotation import Disruptive
from breakwater.kernel.time import to_rfc3339
from breakwater.kernel.world import World
from breakwater.workloads.asking import Asking, Rules
from breakwater.workloads.marking import token_of
from breakwater.workloads.pods import all_ready_since, forbidding_budget
from breakwater.workloads.target import APPROVE, HALTED, Target
from breakwater.workloads.template import POD_DEFAULTS


class State(StrEnum):
    """How a workload stands to what its pods should run with."""

    CURRENT = "Current"
    WAITING = "Waiting"
    DUE = "Due"
    RESTARTING = "Restarting"
    FAILED = "Failed"
    HALTED = "Halted"
    ERASED = "Erased"


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged: one workload whose pods do not run with all that they should.

    Attributes:
        seen: the token of the last restart that is known to have been ordered.
        halted: the token of the restart whose failure was published last.
    """

    workload: str
    namespace: str
    target: Target
    askings: tuple[Asking, ...]
    rules: Rules
    order: str
    seen: str
    halted: str
    world: World
    now: datetime

    @property
    def token(self) -> str:
        """The short name of what is, or was, ordered."""
        return token_of(self.order)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement.

    Attributes:
        due: when to judge again without being woken.
        retries: it failed, and somebody has asked for another try since.
    """

    state: State
    message: str = ""
    due: datetime | None = None
    retries: bool = False


def permission(case: Case, needed: Iterable[str], *, undone: bool = False) -> Verdict:
    """Whether a restart for what is new among its needs may be ordered; only budgets are left to others.

    Args:
        case: what is judged.
        needed: names of Secrets, and POD_DEFAULTS.
        undone: what the last restart brought for exactly this has been taken out of the template.
    """
    target, names = case.target, frozenset(needed)
    new = _told(names)
    if undone or _is_erased(case):
        return Verdict(State.ERASED, f"{new}: {_ERASED[POD_DEFAULTS in names]}")
    if target.halted == case.token:
        return _halted(case)
    # Where no pod is there is nobody to be spared, and perhaps none can come before the template is mended.
    harmless = target.idle and names == {POD_DEFAULTS}
    sparing = () if harmless else (_shut(case), _disrupting(case), _forbidden(case))
    for waiting in (_held(case), *sparing):
        if waiting is not None:
            return Verdict(State.WAITING, f"{new}: {waiting.message}", waiting.due)
    return Verdict(State.DUE, f"{new}: waits for its turn")


_ERASED = {
    False: "the restart was ordered and its annotation was removed again, by somebody who replaces the whole "
    "object; it is not ordered twice. Restart it yourself, or use apply instead of replace",
    True: "the fields were set and removed again, by somebody who replaces the whole object or takes them out; "
    "they are not set twice. Put them into the manifest of the workload, or use apply instead of replace",
}


def _told(names: frozenset[str]) -> str:
    secrets = ", ".join(sorted(names - {POD_DEFAULTS}))
    parts = [f"new content of {secrets}"] if secrets else []
    return " and ".join([*parts, *(["defaults of the pod template"] if POD_DEFAULTS in names else [])])


def _is_erased(case: Case) -> bool:
    known = case.seen == case.token or any(asking.ordered == case.token for asking in case.askings)
    return known and case.target.restarted_for != case.order


def progress(case: Case, ordered: Iterable[str]) -> Verdict:
    """How a restart goes on that the template's record says was ordered."""
    target, since = case.target, case.target.restarted_at
    if target.rollout.complete:
        return _completed(case)
    late = since + target.rollout.patience if since else case.now
    if not target.rollout.stuck and case.now < late:
        return Verdict(State.RESTARTING, "its pods are being replaced", late)
    if target.rollout.through:
        # It came back once, unseen or forgotten by those who ask; what is missing now is not for the restart.
        return Verdict(State.CURRENT)
    if target.halted == case.token:
        return _halted(case)
    if case.token in (case.halted, *(asking.halted for asking in case.askings)):
        # The annotation that we wrote is gone: somebody wants another try.
        again = permission(case, ordered)
        return Verdict(again.state, again.message, again.due, retries=True)
    return Verdict(State.FAILED, "its pods did not come back in time")


@dataclass(frozen=True, slots=True)
class _Waiting:
    message: str
    due: datetime | None = None


def _held(case: Case) -> _Waiting | None:
    if case.target.frozen:
        return _Waiting(f"{case.target.frozen}")
    if case.rules.max_concurrent == 0:
        return _Waiting("restarts.maxConcurrent of its schedule is 0; raise it")
    if case.rules.fault:
        # The windows that it waits for may be those that cannot be read.
        return _Waiting(case.rules.fault)
    return None


def _shut(case: Case) -> _Waiting | None:
    shut = case.rules.shut(case.now)
    if shut is None:
        return None
    opens = f"the next one opens at {to_rfc3339(shut.until)}" if shut.until else "none opens any more; mend them"
    return _Waiting(f"outside of its schedule's windows; {opens}", shut.until)


def _disrupting(case: Case) -> _Waiting | None:
    outage, leave = case.target.outage, case.rules.disruptive
    if not outage or leave is Disruptive.ALLOW or case.target.approved == case.token:
        return None
    if leave is Disruptive.WINDOW_ONLY and case.rules.windows:
        return None
    approve = f"approve with: kubectl annotate --overwrite {case.workload} {APPROVE}={case.token}"
    if leave is Disruptive.WINDOW_ONLY:
        return _Waiting(f"a restart is an outage ({outage}) and its schedule has no windows; add one, or {approve}")
    return _Waiting(f"a restart is an outage ({outage}); {approve}")


def _forbidden(case: Case) -> _Waiting | None:
    budget = forbidding_budget(case.world, case.namespace, case.target.labels)
    return _Waiting(f"PodDisruptionBudget {budget} allows no disruption now") if budget else None


def _halted(case: Case) -> Verdict:
    return Verdict(
        State.HALTED,
        "its last restart did not come back and holds further ones; mend it, then: "
        f"kubectl annotate {case.workload} {HALTED}-",
    )


def _completed(case: Case) -> Verdict:
    since = all_ready_since(case.world, case.namespace, case.target.pods) or case.target.restarted_at or case.now
    done = since + case.rules.min_ready
    if case.now < done:
        return Verdict(State.RESTARTING, f"its pods must be ready for {_seconds(case.rules.min_ready)} s", done)
    return Verdict(State.CURRENT)


def _seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())
