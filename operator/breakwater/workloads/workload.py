"""Workload(kind, namespace, name): what the pods of one workload ought to run with. A demand, never a write."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from breakwater.certificates.keypair import secret_data
from breakwater.kernel.ownership import MARK
from breakwater.kernel.plan import Plan
from breakwater.kernel.reading import Manifest, Present, Projection, Unknown
from breakwater.kernel.references import SECRET, Ref, Subject
from breakwater.kernel.world import World
from breakwater.workloads.consumers import WORKLOADS

KIND = "Workload"
SEPARATOR = ":"


@dataclass(frozen=True, slots=True)
class Demand:
    """What a workload needs.

    Attributes:
        secrets: those of ours that its pods use.
        needed: hash of their contents' hashes; pods that were started with another one run with old content.
    """

    secrets: tuple[str, ...]
    needed: str


def subject_of(kind: str, namespace: str, name: str) -> Subject:
    """The subject of one workload."""
    return Subject(KIND, namespace, f"{kind}{SEPARATOR}{name}")


def _content_hash(manifest: Manifest) -> str:
    digest = hashlib.sha256()
    for key, value in sorted(secret_data(manifest).items()):
        digest.update(f"{len(key)}:{key}:{len(value)}:".encode() + value)
    return digest.hexdigest()


CONTENT_HASH: Projection[str] = Projection("content-hash", _content_hash)
SECRETS: Projection[tuple[str, ...]] = Projection("secrets", lambda manifest: tuple(manifest.get("secrets") or ()))


def plan(subject: Subject, world: World, now: datetime) -> Plan:  # noqa: ARG001 - every plan has this signature
    """State the demand of a workload; nothing where it does not exist or uses nothing of ours."""
    kind, _, name = subject.name.partition(SEPARATOR)
    resource = WORKLOADS.get(kind)
    if resource is None:
        return Plan()
    used = world.get(Ref(resource, subject.namespace, name), SECRETS)
    if not isinstance(used, Present):
        return Plan()
    hashes: list[tuple[str, str]] = []
    for secret in used.value:
        ref = Ref(SECRET, subject.namespace, secret)
        mark = world.metadata(ref, MARK)
        if isinstance(mark, Unknown):
            return Plan()
        if not isinstance(mark, Present) or mark.value is None:
            continue
        content = world.get(ref, CONTENT_HASH)
        if isinstance(content, Unknown):
            return Plan()
        if isinstance(content, Present):
            hashes.append((secret, content.value))
    if not hashes:
        return Plan()
    needed = hashlib.sha256("\n".join(f"{secret}={content}" for secret, content in sorted(hashes)).encode()).hexdigest()
    return Plan(value=Demand(tuple(sorted(secret for secret, _ in hashes)), needed))
