"""The plan of a CertificateAuthority: its root is made once, kept, and never made again by accident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from breakwater.certificates import trust
from breakwater.certificates.authority import (
    DECLARED,
    MADE_SIGNER,
    Authority,
    Foreign,
    Signer,
    Unfit,
    brought_signer,
    reference,
    root_secret,
    unsupported,
)
from breakwater.certificates.following import UNTIL_THEN, missing_schedule
from breakwater.certificates.keypair import KEY_PAIR, LEAVES, TLS_SECRET, KeyPairView
from breakwater.certificates.kind import CertificateAuthoritySpec
from breakwater.certificates.placing import Placing, placing
from breakwater.kernel.condition import Condition, all_of, false, true, unknown, written
from breakwater.kernel.declaration import Declared, farewell
from breakwater.kernel.ownership import (
    AUTHORITY,
    GENERATION,
    MANAGED_BY,
    MANAGER,
    RELEASED,
    SUBJECT,
    USE,
    Free,
    Ours,
    Taken,
    claim,
)
from breakwater.kernel.plan import Action, Failure, Plan, WriteSecret
from breakwater.kernel.reading import Absent, Present, Unknown
from breakwater.kernel.recipe import Known
from breakwater.kernel.references import SECRET, Ref, Subject
from breakwater.kernel.restrain import held_back
from breakwater.kernel.time import to_rfc3339
from breakwater.kernel.world import World
from breakwater.pki import IssueRoot, RootRequest
from breakwater.pki.recipes import CERTIFICATE, PRIVATE_KEY, TRUST

ROOT = "root"


@dataclass(frozen=True, slots=True)
class _Root:
    """The authority's own key pair, as found: what to do, what to say, and the signer when there is one."""

    condition: Condition
    actions: tuple[Action, ...] = ()
    signer: Signer | None = None
    secret: Ref | None = None
    stalled: bool = False
    accepted: Condition | None = None


def plan(subject: Subject, world: World, now: datetime) -> Plan:
    """Root first, then trust; status says what stands."""
    declaration = reference(subject.name)
    declared = world.get(declaration, DECLARED)
    if isinstance(declared, Unknown):
        return Plan()
    if isinstance(declared, Absent):
        return farewell(subject, declaration, world)
    spec = declared.value.spec
    if spec is None:
        return _report(declared.value, now, [false("Accepted", "InvalidSpec", declared.value.fault)])
    if declared.value.deleting:
        message = "it is being deleted: nothing is made for it, and nobody gets certificates from it"
        return _report(declared.value, now, [false("Accepted", "Deleting", message)])
    refusal = unsupported(spec)
    if refusal:
        return _report(declared.value, now, [false("Accepted", "NotSupported", refusal)])
    root = _brought(spec, world) if spec.source.secret_ref else _self_managed(subject, spec, declared.value, world)
    placed = placing(subject.name, spec, root.signer, world)
    return _finish(declared.value, spec, _in_time(subject.name, spec, root, now), placed, world, now)


# --- the root ---------------------------------------------------------------------------------------------------


def _self_managed(subject: Subject, spec: CertificateAuthoritySpec, declared: Declared[Any], world: World) -> _Root:
    secret = root_secret(world, subject.name)
    held = claim(world, secret, subject)
    if isinstance(held, Unknown):
        return _Root(unknown("Ready", held.reason, held.message), secret=secret)
    if isinstance(held, Taken):
        message = f"Secret {secret.namespace}/{secret.name}: {held.by} stands under this name; rename or delete it"
        return _Root(
            false("Ready", "NameTaken", message), secret=secret, accepted=false("Accepted", "NameTaken", message)
        )
    if isinstance(held, Free):
        return _missing(subject, spec, declared, world, secret)
    signer = held.entry.project(MADE_SIGNER)
    if isinstance(signer, Unfit):
        message = (
            f"Secret {secret.namespace}/{secret.name} is damaged: {signer.fault}. Restore it from a backup; "
            "Breakwater does not replace a root that clients may trust"
        )
        return _Root(false("Ready", "RootDamaged", message), secret=secret, stalled=True)
    repair = _repair(subject, held, signer.pair, declared)
    failure = world.failure(ROOT) if repair else None
    return _Root(_pending(failure) if failure else true("Ready", "RootReady"), repair, signer, secret)


def _in_time(name: str, spec: CertificateAuthoritySpec, root: _Root, now: datetime) -> _Root:
    """A root that holds, as time lets it be."""
    late = Authority(name, spec, root.signer).untimely(now) if root.signer and root.condition.holds else None
    if late is None:
        return root
    return replace(root, condition=false("Ready", late.reason, late.message))


def _missing(
    subject: Subject, spec: CertificateAuthoritySpec, declared: Declared[Any], world: World, secret: Ref
) -> _Root:
    trace = _trace(subject, declared, world)
    if isinstance(trace, Unknown):
        return _Root(unknown("Ready", trace.reason, trace.message), secret=secret)
    if trace:
        message = (
            f"Secret {secret.namespace}/{secret.name} with the root key is gone, but {trace}. Restore the Secret from "
            "a backup; or create another CertificateAuthority and point the channels at it. A fresh root is never made "
            "in its place, because clients would not trust it"
        )
        return _Root(false("Ready", "RootLost", message), secret=secret, stalled=True)
    action = WriteSecret(
        id=ROOT,
        target=secret,
        reason="RootMissing",
        message="the authority has no root yet",
        parts=(IssueRoot(_request(subject.name, spec)),),
        secret_type=TLS_SECRET,
        labels=_labels(),
        annotations=_annotations(subject) | {GENERATION: "1"},
    )
    failure = world.failure(ROOT)
    return _Root(_pending(failure), (action,), secret=secret)


def _pending(failure: Failure | None) -> Condition:
    if failure is not None:
        return false("Ready", failure.reason, failure.message)
    return false("Ready", "RootPending", "the root is not made yet")


def _trace(subject: Subject, declared: Declared[Any], world: World) -> str | Unknown:
    """A sign that there was a root once."""
    if declared.status.get("fingerprint"):
        return f"status.fingerprint says that there was one ({str(declared.status['fingerprint'])[:16]})"
    for index, sign in (
        (trust.PLACED, "a trust bundle of it exists"),
        (LEAVES, "certificates that it signed exist"),
    ):
        found = world.indexed(index, subject.name)
        if isinstance(found, Unknown):
            return found
        if isinstance(found, Present) and found.value:
            ref = found.value[0][0]
            return f"{sign} ({ref}; delete it if it is not from this authority)"
    return ""


def _request(name: str, spec: CertificateAuthoritySpec) -> RootRequest:
    constraints = spec.name_constraints
    return RootRequest(
        # Each generation has a name of its own: two keys under one name break path building in some clients.
        common_name=f"{name[:50]} root 1",
        algorithm=spec.algorithm,
        lifetime=spec.lifetime,
        permitted_dns=constraints.permitted_dns if constraints else (),
        excluded_dns=constraints.excluded_dns if constraints else (),
    )


def _labels() -> dict[str, str]:
    return {MANAGED_BY: MANAGER}


def _annotations(subject: Subject) -> dict[str, str]:
    return {SUBJECT: str(subject), AUTHORITY: subject.name, USE: "Root"}


def _repair(subject: Subject, held: Ours, pair: KeyPairView, declared: Declared[Any]) -> tuple[Action, ...]:
    """What somebody changed beside the key itself, which is never touched."""
    remembered = declared.status.get("generation")
    generation = max(1, pair.generation, remembered if isinstance(remembered, int) else 1)
    labels = {**_labels(), RELEASED: None}
    annotations = _annotations(subject) | {GENERATION: str(generation)} | held.taking_up
    marked = _bears(held.entry.labels, labels) and _bears(held.entry.annotations, annotations)
    if pair.key is None or (marked and held.entry.project(KEY_PAIR).trust == pair.trust):
        return ()
    action = WriteSecret(
        id=ROOT,
        target=root_of(held),
        reason="RootChanged",
        message="ca.crt, labels or annotations of the root's Secret were changed",
        parts=(Known.of({CERTIFICATE: pair.certificate, PRIVATE_KEY: pair.key, TRUST: pair.trust}),),
        secret_type=TLS_SECRET,
        labels=labels,
        annotations=annotations,
        replaces=held.mark.version,
    )
    return (action,)


def _bears(pairs: Mapping[str, str], wanted: Mapping[str, str | None]) -> bool:
    return all(pairs.get(key) == value for key, value in wanted.items())


def root_of(held: Ours) -> Ref:
    """The Secret that was claimed."""
    return Ref(SECRET, held.entry.metadata["namespace"], held.entry.metadata["name"])


def _brought(spec: CertificateAuthoritySpec, world: World) -> _Root:
    name = spec.source.secret_ref.name if spec.source.secret_ref else ""
    secret = Ref(SECRET, world.settings.namespace, name)
    signer = brought_signer(world, name)
    if isinstance(signer, Unknown):
        return _Root(unknown("Ready", signer.reason, signer.message), secret=secret)
    if isinstance(signer, Foreign):
        message = (
            f"spec.source.secretRef.name: Secret {secret.namespace}/{name} was made by Breakwater for something else; "
            "name a Secret that you brought"
        )
        refusal = false("Accepted", "SecretNotBrought", message)
        return _Root(replace(refusal, type="Ready"), secret=secret, accepted=refusal)
    if isinstance(signer, Absent):
        message = (
            f"spec.source.secretRef.name: Secret {name} does not exist in namespace {secret.namespace}; "
            "create it with tls.crt and tls.key"
        )
        return _Root(false("Ready", "SecretNotFound", message), secret=secret)
    if isinstance(signer, Unfit):
        message = f"spec.source.secretRef.name: Secret {secret.namespace}/{name}: {signer.fault}"
        return _Root(false("Ready", "SecretInvalid", message), secret=secret)
    return _Root(true("Ready", "RootReady"), signer=signer, secret=secret)


# --- status -----------------------------------------------------------------------------------------------------


def _finish(
    declared: Declared[Any], spec: CertificateAuthoritySpec, root: _Root, placed: Placing, world: World, now: datetime
) -> Plan:
    wanted = Plan(
        actions=root.actions,
        due=root.signer.validity.next_turn(now) if root.signer else None,
        mentions=placed.mentions,
        mode=spec.mode,
        suspended=spec.suspend,
    )
    missing = missing_schedule(world, world.settings.namespace, spec.rotation_schedule_ref)
    ready = held_back(wanted, world, "") or _ready(root, placed, missing)
    conditions = [root.accepted or placed.accepted or true("Accepted", "Accepted"), ready]
    conditions += [placed.placed] if placed.placed else []
    if root.stalled:
        conditions.append(true("Stalled", root.condition.reason, root.condition.message))
    status = _root_status(declared, root)
    if placed.status is not None:
        status["trust"] = dict(placed.status)
    return replace(wanted, status=_status(declared, conditions, status, now))


def _ready(root: _Root, placed: Placing, missing: str) -> Condition:
    if not root.condition.holds:
        return root.condition
    if missing:
        return false("Ready", "ScheduleNotFound", f"spec.rotationScheduleRef: {missing}; {UNTIL_THEN}")
    return all_of("Ready", (placed.ready,), "Ready", "root and trust are in place")


def _root_status(declared: Declared[Any], root: _Root) -> dict[str, Any]:
    pair = root.signer.pair if root.signer else None
    facts = pair.facts if pair else None
    status: dict[str, Any] = {}
    if facts and pair:
        status = {
            "fingerprint": facts.fingerprint,
            "notBefore": to_rfc3339(facts.not_before),
            "notAfter": to_rfc3339(facts.not_after),
            "generation": max(1, pair.generation),
        }
    elif declared.status.get("fingerprint"):
        # The only trace of a root whose Secret is gone: losing it would allow a fresh one.
        status = {"fingerprint": declared.status["fingerprint"]}
    return status | ({"secretName": root.secret.name} if root.secret else {})


def _report(declared: Declared[Any], now: datetime, conditions: list[Condition]) -> Plan:
    """Nothing can be done; what status remembers of a root stays."""
    remembered = {key: declared.status[key] for key in ("fingerprint",) if declared.status.get(key)}
    refused = conditions[0]
    both = [*conditions, false("Ready", refused.reason, refused.message)]
    return Plan(status=_status(declared, both, remembered, now))


def _status(
    declared: Declared[Any], conditions: list[Condition], rest: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    return {
        "observedGeneration": declared.generation,
        "conditions": written(conditions, declared.status.get("conditions"), declared.generation, now),
        **rest,
    }
