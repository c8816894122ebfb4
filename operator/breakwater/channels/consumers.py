"""Who uses a channel's Secrets: declared by the channel, or found in pod templates. Those nobody declared are named.

The channel speaks for its Secrets to each of these workloads, and keeps in its status what a workload's pods are known
to run with: a record that lies on none of others' objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from breakwater.certificates import authority as authorities
from breakwater.certificates.following import Followed, followed
from breakwater.channels.kind import Reload
from breakwater.channels.part import Asked
from breakwater.kernel.condition import Condition, false, true
from breakwater.kernel.reading import Present
from breakwater.kernel.references import Subject
from breakwater.kernel.restrain import effective_mode
from breakwater.kernel.settings import Mode
from breakwater.workloads.asking import Asking, under
from breakwater.workloads.consumers import CONSUMERS
from breakwater.workloads.marking import RESTARTS
from breakwater.workloads.permission import State
from breakwater.workloads.workload import Standing, subject_of

MOST_SHOWN = 64
CONDITION = "ConsumersCurrent"
_REASONS = {
    State.HALTED: "RestartHalted",
    State.FAILED: "RestartHalted",
    State.ERASED: "RestartErased",
    State.WAITING: "RestartWaiting",
    State.DUE: "RestartWaiting",
    State.RESTARTING: "Restarting",
}
_STATES = frozenset(State)

Workload = tuple[str, str]
"""Kind and name."""


@dataclass(frozen=True, slots=True)
class Used:
    """What follows for the workloads: what is said to them, `status.consumers`, and whether they are current."""

    mentions: Mapping[Subject, Asking]
    status: list[dict[str, Any]]
    condition: Condition | None


def consumers_of(asked: Asked, secrets: tuple[str, ...]) -> Used:
    """Find them, and put them beside what is declared."""
    declared = {(consumer.kind.value, consumer.name): consumer.reload for consumer in asked.spec.consumers}
    uses: dict[Workload, list[str]] = {workload: [] for workload in declared}
    for secret in secrets:
        found = asked.world.indexed(CONSUMERS, (asked.namespace, secret))
        for ref, _ in found.value if isinstance(found, Present) else ():
            uses.setdefault((ref.resource.kind, ref.name), []).append(secret)
    remembered, rules = _remembered(asked), _rules(asked)
    enforced = effective_mode(asked.spec.mode, asked.world, asked.namespace) is Mode.ENFORCE and not asked.spec.suspend
    mentions: dict[Subject, Asking] = {}
    status: list[dict[str, Any]] = []
    judged: list[tuple[State, str]] = []
    for workload, used in sorted(uses.items()):
        subject, before = subject_of(workload[0], asked.namespace, workload[1]), remembered.get(workload, {})
        restart = enforced and declared.get(workload) is Reload.RESTART
        reading = asked.world.derived(subject)
        told = _told(asked, subject, reading.value if isinstance(reading, Present) else None, before, secrets)
        # By what status is about to say, or both would go on telling each other what was true before.
        mentions[subject] = _asking(asked, secrets, used, told, rules, restart=restart)
        entry: dict[str, Any] = {"kind": workload[0], "name": workload[1], "declared": workload in declared}
        entry |= {"secrets": used} if used else {}
        status.append(entry | told)
        state = str(told.get("state"))
        if restart and state in _STATES:
            judged.append((State(state), f"{workload[0]} {workload[1]}: {told.get('message', '')}"))
    # What is not shown is not remembered: those who are to be restarted come before any number of strangers.
    shown = sorted(status, key=lambda entry: not entry["declared"])[:MOST_SHOWN]
    return Used(mentions, sorted(shown, key=lambda entry: (entry["kind"], entry["name"])), _condition(judged))


def _asking(
    asked: Asked,
    secrets: tuple[str, ...],
    used: list[str],
    told: Mapping[str, Any],
    rules: Followed,
    *,
    restart: bool,
) -> Asking:
    content = told.get("content")
    known: Mapping[str, Any] = content if isinstance(content, Mapping) else {}
    server = asked.spec.secret_names[0] or asked.spec.secret_names[1]
    return Asking(
        secrets={name: str(known.get(name) or "") for name in secrets},
        restart=restart,
        server=server in used,
        **under(rules),
        ordered=str(told.get("ordered") or ""),
        halted=str(told.get("halted") or ""),
    )


def _rules(asked: Asked) -> Followed:
    """The schedule of the channel, or that of the authority that issues for it."""
    certificate, authentication = asked.spec.encryption.server_certificate, asked.spec.authentication
    client = authentication.client_certificate if authentication else None
    ref = (certificate.authority_ref if certificate else None) or (client.authority_ref if client else None)
    declared = asked.world.get(authorities.reference(ref.name), authorities.SPECIFIED) if ref else None
    authority = declared.value.spec if isinstance(declared, Present) else None
    found = followed(asked.world, asked.namespace, asked.spec.rotation_schedule_ref, authority)
    if ref is None or authority is not None or asked.spec.rotation_schedule_ref is not None:
        return found
    return replace(found, fault=f"CertificateAuthority {ref.name}, which may have a schedule, cannot be read; mend it")


def _remembered(asked: Asked) -> dict[Workload, Mapping[str, Any]]:
    entries = asked.status.get("consumers")
    found = (entry for entry in entries if isinstance(entry, Mapping)) if isinstance(entries, list) else ()
    return {(str(entry.get("kind")), str(entry.get("name"))): entry for entry in found}


def _told(
    asked: Asked, subject: Subject, standing: Standing | None, before: Mapping[str, Any], secrets: tuple[str, ...]
) -> dict[str, Any]:
    """What status says of a workload; while nothing is known of it, what it said before."""
    fault = _waiting(asked, RESTARTS)
    if standing is None:
        kept = {key: before[key] for key in ("state", "message", "content", "ordered", "halted") if key in before}
        return kept | ({"state": State.WAITING.value, "message": fault} if fault else {})
    content = {name: standing.running[name] for name in secrets if name in standing.running}
    told: dict[str, Any] = {"state": standing.state.value}
    message = _turn(asked, subject, standing)
    for key, value in (
        ("message", message),
        ("content", content),
        ("ordered", standing.ordered),
        ("halted", standing.halted),
    ):
        told |= {key: value} if value else {}
    return told


def _turn(asked: Asked, subject: Subject, standing: Standing) -> str:
    if standing.state is not State.DUE:
        return standing.message
    why = _waiting(asked, subject)
    return f"{standing.message} ({why})" if why else standing.message


def _waiting(asked: Asked, subject: Subject) -> str:
    """What hinders the restart of a workload, or of all of them."""
    waiting = asked.world.derived(RESTARTS)
    return str(waiting.value.get(subject, "")) if isinstance(waiting, Present) else ""


def _condition(judged: list[tuple[State, str]]) -> Condition | None:
    if not judged:
        return None
    for state, reason in _REASONS.items():
        for found, message in judged:
            if found is state:
                return false(CONDITION, reason, message)
    return true(CONDITION, "Current", "every consumer that is to be restarted runs with the present content")
