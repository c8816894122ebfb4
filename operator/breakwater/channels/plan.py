"""The plan of a CommunicationChannel: its parts, their order, and what all of them together say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from breakwater.certificates.following import UNTIL_THEN, missing_schedule
from breakwater.channels.binding import binding_claim, binding_name, binding_part
from breakwater.channels.consumers import consumers_of
from breakwater.channels.kind import CommunicationChannelSpec
from breakwater.channels.login import login_part, login_secret
from breakwater.channels.part import Asked, Part
from breakwater.channels.proof import Proof, proof
from breakwater.channels.server import server_part
from breakwater.channels.strays import strays
from breakwater.channels.trusted import trust_part
from breakwater.channels.verdicts import authenticated, authorized, encrypted
from breakwater.kernel.condition import Condition, all_of, false, true, unknown, written
from breakwater.kernel.declaration import Declared, declared_by, farewell
from breakwater.kernel.plan import Action, Plan, WriteSecret
from breakwater.kernel.reading import Absent, Unknown
from breakwater.kernel.references import COMMUNICATION_CHANNEL, Ref, Subject
from breakwater.kernel.restrain import held_back
from breakwater.kernel.time import earliest
from breakwater.kernel.world import World

DECLARED = declared_by(CommunicationChannelSpec)


def plan(subject: Subject, world: World, now: datetime) -> Plan:
    """Certificates, login, binding, proof; status says what stands."""
    declaration = Ref(COMMUNICATION_CHANNEL, subject.namespace, subject.name)
    declared = world.get(declaration, DECLARED)
    if isinstance(declared, Unknown):
        return Plan()
    if isinstance(declared, Absent):
        return farewell(subject, declaration, world)
    spec = declared.value.spec
    if spec is None:
        return _refuse(declared.value, false("Accepted", "InvalidSpec", declared.value.fault), now)
    return _plan(Asked(subject, declared.value, spec, world, now, declared.value.status))


def _plan(asked: Asked) -> Plan:
    twice = _named_twice(asked)
    if twice:
        return _refuse(asked.declared, false("Accepted", "SecretNamedTwice", twice), asked.now)
    trust = trust_part(asked)
    server = server_part(asked)
    held = binding_claim(asked)
    login = login_part(asked, held)
    binding = binding_part(asked, held, login, trust)
    parts = [part for part in (trust, server, login, binding, _schedule(asked)) if part is not None]
    evidence = proof(asked, trust, server, binding)
    accepted = next((part.accepted for part in parts if part.accepted), None) or true("Accepted", "Accepted")
    actions = [action for part in parts for action in part.actions if accepted.holds or _keeps_up(action)]
    # What is not declared any more leaves only after what takes its place stands.
    left = strays(asked, _kept_names(asked, actions)) if all(part.condition.holds for part in parts) else ()
    used = consumers_of(asked, _secret_names(asked))
    wanted = Plan(
        actions=(*actions, *left),
        due=earliest(evidence.due, *(part.due for part in parts)),
        measures=evidence.measures,
        mentions=used.mentions,
        mode=asked.spec.mode,
        suspended=asked.spec.suspend,
    )
    verdicts = _verdicts(asked, parts, server, evidence, held_back(wanted, asked.world, asked.namespace))
    verdicts += [used.condition] if used.condition else []
    return replace(wanted, status=_status(asked, accepted, parts, verdicts, evidence, used.status))


def _schedule(asked: Asked) -> Part | None:
    """Whether the schedule that the channel names can be followed; until then two thirds of a life are its measure."""
    missing = missing_schedule(asked.world, asked.namespace, asked.spec.rotation_schedule_ref)
    if not missing:
        return None
    return Part(false("Schedule", "ScheduleNotFound", f"spec.rotationScheduleRef: {missing}; {UNTIL_THEN}"))


def _named_twice(asked: Asked) -> str:
    """Two parts of one channel that would write, or read, the same Secret: the names that are not written out count."""
    authentication = asked.spec.authentication
    generated = authentication and authentication.password and authentication.password.generate
    server, existing, referenced, _ = asked.spec.secret_names
    names = {
        "spec.encryption.serverCertificate.secretName": server,
        "spec.encryption.serverCertificate.existingSecretRef.name": existing,
        "spec.authentication.password.secretRef.name": referenced,
        "spec.output.secretName (the channel's name and -binding where it is absent)": binding_name(asked),
        "the login of spec.authentication.password.generate (the channel's name and -login)": (
            login_secret(asked) if generated else ""
        ),
    }
    seen: dict[str, str] = {}
    for field, name in names.items():
        if name and name in seen:
            return f"{field}: names Secret {name}, which is that of {seen[name]}; give each its own"
        seen[name or ""] = field
    return ""


def _keeps_up(action: Action) -> bool:
    """Whether it only keeps up what stands: a mistake in one field must not let a certificate run out."""
    return isinstance(action, WriteSecret) and action.replaces is not None


def _secret_names(asked: Asked) -> tuple[str, ...]:
    """Every Secret of the channel that a workload might mount, whether it stands just now or not."""
    authentication = asked.spec.authentication
    generated = authentication and authentication.password and authentication.password.generate
    names = {*asked.spec.secret_names[:3], binding_name(asked), login_secret(asked) if generated else ""}
    return tuple(sorted(name for name in names if name))


def _kept_names(asked: Asked, actions: Iterable[Action]) -> frozenset[str]:
    """Secrets that the declaration stands for, whether they are there already or not."""
    named = {asked.spec.secret_names[0], binding_name(asked) or "", *(action.target.name for action in actions)}
    authentication = asked.spec.authentication
    if authentication and authentication.password and authentication.password.generate:
        named.add(login_secret(asked))
    return frozenset(named)


def _verdicts(
    asked: Asked, parts: list[Part], server: Part | None, evidence: Proof, waiting: Condition | None
) -> list[Condition]:
    """Ready and Secured, each with what it is made of."""
    trust, *_ = parts
    secured = [
        encrypted(asked, trust, server, evidence),
        authenticated(asked, evidence),
        authorized(asked),
        evidence.condition,
    ]
    given = [part.condition for part in parts]
    ready = waiting or all_of("Ready", given, "Ready", "everything that was declared is in place")
    whole = all_of("Secured", secured, "Secured", "encrypted, authenticated, authorized and proven")
    return [ready, *secured, whole]


def _status(
    asked: Asked,
    accepted: Condition,
    parts: list[Part],
    verdicts: list[Condition],
    evidence: Proof,
    consumers: list[dict[str, Any]],
) -> dict[str, Any]:
    conditions = [accepted, *verdicts]
    stalled = next((part for part in parts if part.stalled), None)
    if stalled is not None:
        conditions.append(true("Stalled", stalled.condition.reason, stalled.condition.message))
    status: dict[str, Any] = {
        "observedGeneration": asked.declared.generation,
        "conditions": written(conditions, asked.status.get("conditions"), asked.declared.generation, asked.now),
    }
    for key, name in (("certificates", "use"), ("credentials", "name")):
        entries = _remembering(asked, parts, key, name)
        status |= {key: entries} if entries else {}
    binding = next((part.status["binding"] for part in parts if "binding" in part.status), None)
    status |= {"binding": binding} if binding else {}
    status |= {"measurements": [dict(item) for item in evidence.status]} if evidence.status else {}
    return status | ({"consumers": consumers} if consumers else {})


def _remembering(asked: Asked, parts: Iterable[Part], key: str, name: str) -> list[Mapping[str, Any]]:
    """What parts say now, and what status said of those that cannot say anything: the last trace of what was made."""
    found = {entry[name]: entry for part in parts for entry in part.status.get(key, ()) if entry}
    before = asked.status.get(key)
    for entry in before if isinstance(before, list) else ():
        if isinstance(entry, Mapping) and entry.get(name) in _declared_names(asked):
            found.setdefault(str(entry[name]), entry)
    return [found[each] for each in sorted(found)]


def _declared_names(asked: Asked) -> set[str]:
    authentication = asked.spec.authentication
    declared = {
        "Server": asked.spec.encryption.server_certificate,
        "Client": authentication and authentication.client_certificate,
        "login": authentication and authentication.password,
    }
    return {name for name, given in declared.items() if given}


def _refuse(declared: Declared[CommunicationChannelSpec], refusal: Condition, now: datetime) -> Plan:
    """Nothing can be done for it; what was made stays, and what status remembers of it."""
    conditions = [
        refusal,
        false("Ready", refusal.reason, refusal.message),
        unknown("Secured", refusal.reason, refusal.message),
    ]
    remembered = {
        key: value for key, value in declared.status.items() if key not in ("conditions", "observedGeneration")
    }
    status = {
        "observedGeneration": declared.generation,
        "conditions": written(conditions, declared.status.get("conditions"), declared.generation, now),
    }
    return Plan(status=remembered | status)
