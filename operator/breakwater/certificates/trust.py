"""Trust(authority, namespace): one trust bundle in one namespace; one failing namespace delays no other."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from breakwater.certificates import authority as authorities
from breakwater.certificates.authority import SPECIFIED, Authority, Unusable
from breakwater.certificates.kind import CertificateAuthoritySpec
from breakwater.kernel.apply import differs
from breakwater.kernel.ownership import AUTHORITY, MANAGED_BY, MANAGER, SUBJECT, Free, Ours, Taken, claim, mark_of
from breakwater.kernel.plan import ApplyObject, DeleteObject, Failure, Plan
from breakwater.kernel.reading import LABELS, Manifest, Present
from breakwater.kernel.references import CLUSTER_TRUST_BUNDLE, CONFIG_MAP, NAMESPACE, Ref, Subject
from breakwater.kernel.restrain import held_back
from breakwater.kernel.world import Index, World
from breakwater.pki import bundle_digest

KIND = "Trust"
BUNDLE_KEY = "ca.crt"
NAME_TAKEN = "NameTaken"


def subject_of(authority: str, namespace: str) -> Subject:
    """The subject of one bundle; an empty namespace is the ClusterTrustBundle."""
    return Subject(KIND, namespace, authority)


def target_of(subject: Subject) -> Ref:
    """The object that carries the bundle."""
    if subject.namespace:
        return Ref(CONFIG_MAP, subject.namespace, f"{subject.name}-trust")
    return Ref(CLUSTER_TRUST_BUNDLE, "", f"breakwater-{subject.name}")


def _placed(manifest: Manifest) -> Mapping[Hashable, Any]:
    """The bundle that lies here, by authority, as the digest of its bytes; empty where our label is not on it.

    Only in the place that its subject states: whoever may write ConfigMaps somewhere could plant others.
    """
    metadata = manifest["metadata"]
    mark = mark_of(manifest)
    bundle = (manifest.get("data") or {}).get(BUNDLE_KEY) or (manifest.get("spec") or {}).get("trustBundle")
    if mark is None or mark.subject is None or not bundle or not _is_placed(mark.subject, metadata):
        return {}
    marked = (metadata.get("labels") or {}).get(MANAGED_BY) == MANAGER
    return {mark.subject.name: bundle_digest(str(bundle).encode()) if marked else ""}


def _is_placed(subject: Subject, metadata: Mapping[str, Any]) -> bool:
    place = (metadata.get("namespace", ""), metadata["name"])
    return subject.kind == KIND and (subject.namespace, target_of(subject).name) == place


PLACED = Index("trust-placed", (CONFIG_MAP, CLUSTER_TRUST_BUNDLE), _placed)


def plan(subject: Subject, world: World, now: datetime) -> Plan:  # noqa: ARG001 - every plan has this signature
    """Place the bundle where it is selected, take it away where it is not any more."""
    declared = world.get(authorities.reference(subject.name), SPECIFIED)
    if not isinstance(declared, Present) or declared.value.spec is None or declared.value.deleting:
        # Gone with its authority: the owner reference takes it along.
        return Plan()
    spec = declared.value.spec
    target = target_of(subject)
    held = claim(world, target, subject)
    wanted = is_selected(spec, subject.namespace, world)
    if wanted is None:
        return Plan(mode=spec.mode, suspended=spec.suspend)
    if not wanted:
        return _take_away(spec, target, held)
    authority = authorities.find(world, subject.name)
    if isinstance(authority, Unusable):
        return Plan(mode=spec.mode, suspended=spec.suspend)
    if isinstance(held, Taken):
        message = f"{target}: {held.by} stands under this name; rename or delete it"
        return Plan(mode=spec.mode, value=Failure(NAME_TAKEN, message))
    return _place(subject, authority, declared.value.uid, target, held, world)


def is_selected(spec: CertificateAuthoritySpec, namespace: str, world: World) -> bool | None:
    """Whether the authority wants its trust there; None when nobody can tell."""
    trust = spec.trust
    if trust is None:
        return False
    if not namespace:
        return trust.cluster_trust_bundle
    if trust.namespace_selector is None:
        return False
    labels = world.get(Ref(NAMESPACE, "", namespace), LABELS)
    return trust.namespace_selector.matches(labels.value) if isinstance(labels, Present) else None


def manifest_of(subject: Subject, authority: str, owner_uid: str, bundle: bytes) -> dict[str, Any]:
    """The object as it should stand, in the server's defaulted form."""
    target = target_of(subject)
    metadata: dict[str, Any] = {
        "name": target.name,
        "labels": {MANAGED_BY: MANAGER},
        "annotations": {SUBJECT: str(subject), AUTHORITY: authority},
        "ownerReferences": [_owner(authority, owner_uid)],
    }
    common = {"apiVersion": target.resource.api_version, "kind": target.resource.kind}
    if subject.namespace:
        metadata["namespace"] = subject.namespace
        return common | {"metadata": metadata, "data": {BUNDLE_KEY: bundle.decode()}}
    return common | {"metadata": metadata, "spec": {"trustBundle": bundle.decode()}}


def _owner(authority: str, uid: str) -> dict[str, str]:
    resource = authorities.reference(authority).resource
    return {"apiVersion": resource.api_version, "kind": resource.kind, "name": authority, "uid": uid}


def _place(subject: Subject, authority: Authority, owner_uid: str, target: Ref, held: Any, world: World) -> Plan:
    spec = authority.spec
    manifest = manifest_of(subject, authority.name, owner_uid, authority.bundle)
    failure = world.failure("trust")
    if not isinstance(held, (Free, Ours)) or (isinstance(held, Ours) and _stands(held, manifest)):
        return Plan(mode=spec.mode, suspended=spec.suspend)
    action = ApplyObject(
        id="trust",
        target=target,
        reason="TrustChanged" if isinstance(held, Ours) else "TrustMissing",
        message=f"the trust bundle of CertificateAuthority {authority.name}",
        manifest=manifest,
    )
    wanted = Plan(actions=(action,), mode=spec.mode, suspended=spec.suspend)
    waits = held_back(wanted, world, subject.namespace)
    return replace(wanted, value=Failure(waits.reason, waits.message) if waits else failure)


def _stands(held: Ours, manifest: Manifest) -> bool:
    return not held.mark.restored and not differs(manifest, held.entry.manifest)


def _take_away(spec: CertificateAuthoritySpec, target: Ref, held: Any) -> Plan:
    if not isinstance(held, Ours):
        return Plan(mode=spec.mode, suspended=spec.suspend)
    action = DeleteObject(
        id="trust",
        target=target,
        reason="NotSelected",
        message="its namespace is not selected by spec.trust any more",
        replaces=held.mark.version,
        takes_away=True,
    )
    return Plan(actions=(action,), mode=spec.mode, suspended=spec.suspend)
