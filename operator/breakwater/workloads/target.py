"""A workload as restarts need it: what its pods use, how it rolls, how far its last rollout is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor
from typing import Any

from breakwater.kernel.reading import Manifest, Projection
from breakwater.kernel.references import GROUP
from breakwater.kernel.time import from_rfc3339
from breakwater.workloads.consumers import secrets_used
from breakwater.workloads.template import FIELD_MANAGER, LISTS, Path, declared, ours, read_placed

CONTENT = f"{GROUP}/restarted-for"
"""On the pod template: what the pods were last restarted for, as `secret=mark` pairs."""
RESTARTED_AT = f"{GROUP}/restarted-at"
HALTED = f"{GROUP}/restart-halted"
"""On the workload: for what a restart did not come back. Who removes it asks for another try."""
APPROVE = f"{GROUP}/approve-restart"

PATIENCE = timedelta(minutes=10)
"""How long a rollout may take where the workload says nothing; the default of a Deployment."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far the present template has come.

    Attributes:
        complete: all pods run it and are available.
        through: all pods ran it and were available once, as its controller remembers; they need not be any more.
        stuck: the controller itself says that it does not go on.
        patience: how long it may take.
    """

    complete: bool
    through: bool
    stuck: bool
    patience: timedelta


@dataclass(frozen=True, slots=True)
class Target:
    """One version of a workload.

    Attributes:
        secrets: names that its template uses.
        replicas: as wanted.
        outage: why it cannot roll without an outage; empty when it can.
        frozen: why a changed template would start nothing; empty when it would.
        created: when the object was made; none of its pods is older.
        restarted_for: the record on the template.
        restarted_at: when the record was written.
        halted, approved: the annotations on the workload.
        pods: by what it selects its pods.
        labels: those that its pods bear.
        idle: no pod of it is there.
        containers: of the template, in their order, each as its list and its name.
        placed: the fields of the template that we hold, with what stands there.
        whole: the maps in the template that we made, and in which nothing else stands.
        holders: by annotation of ours the manager who holds it in our stead.
    """

    uid: str
    secrets: frozenset[str]
    replicas: int
    outage: str
    frozen: str
    rollout: Rollout
    created: datetime | None
    restarted_for: str
    restarted_at: datetime | None
    halted: str
    approved: str
    pods: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]
    idle: bool
    containers: tuple[Path, ...]
    placed: tuple[tuple[Path, Any], ...]
    whole: tuple[Path, ...]
    holders: Mapping[str, str]


def reduced(manifest: Manifest, kind: str) -> Manifest:
    """What is kept while decoding; the items of a list do not say their kind."""
    metadata, spec = manifest["metadata"], manifest.get("spec") or {}
    names = ("name", "namespace", "uid", "resourceVersion", "labels", "generation")
    kept = {key: metadata[key] for key in (*names, "creationTimestamp", "deletionTimestamp") if key in metadata}
    annotations = _ours(metadata.get("annotations"))
    template = spec.get("template") or {}
    about = template.get("metadata") or {}
    how = ("replicas", "strategy", "updateStrategy", "paused", "progressDeadlineSeconds", "selector")
    return {
        "kind": kind,
        "metadata": kept | ({"annotations": annotations} if annotations else {}),
        "spec": {key: spec[key] for key in how if key in spec},
        "template": {
            "annotations": _ours(about.get("annotations")),
            "labels": about.get("labels") or {},
            "declared": declared(template.get("spec") or {}),
            **ours(manifest),
        },
        "holders": _holders(metadata.get("managedFields")),
        "secrets": secrets_used(manifest),
        "status": _reduced_status(manifest.get("status") or {}),
    }


def _ours(annotations: Mapping[str, str] | None) -> dict[str, str]:
    return {key: value for key, value in (annotations or {}).items() if key.startswith(f"{GROUP}/")}


def _holders(fields: object) -> dict[str, str]:
    """Who else holds annotations of ours; what is not known any more (merged by the API server) is nobody's."""
    found: dict[str, str] = {}
    for item in fields if isinstance(fields, list) else ():
        manager, written = str(item.get("manager")), item.get("fieldsV1") or {}
        template = (written.get("f:spec") or {}).get("f:template") or {}
        if manager in (FIELD_MANAGER, "ancient-changes"):
            continue
        for node in (written, template):
            held = (node.get("f:metadata") or {}).get("f:annotations") or {}
            found |= {key[2:]: manager for key in held if key[2:] in (CONTENT, RESTARTED_AT, HALTED)}
    return found


def _reduced_status(status: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in status.items() if isinstance(value, int) or key.endswith("Revision")}
    said = {item.get("reason") for item in status.get("conditions") or ()}
    found = {"stuck": "ProgressDeadlineExceeded" in said, "through": "NewReplicaSetAvailable" in said}
    return kept | {key: True for key, holds in found.items() if holds}


def _target(manifest: Manifest) -> Target:
    metadata, spec = manifest["metadata"], manifest.get("spec") or {}
    annotations, template = metadata.get("annotations") or {}, manifest.get("template") or {}
    record = template.get("annotations") or {}
    kind = KINDS[manifest["kind"]]
    selector = (spec.get("selector") or {}).get("matchLabels") or {}
    return Target(
        uid=metadata.get("uid", ""),
        secrets=frozenset(manifest.get("secrets") or ()),
        replicas=kind.replicas(manifest),
        outage=kind.outage(manifest),
        frozen="it is being deleted" if "deletionTimestamp" in metadata else kind.frozen(spec),
        rollout=_rollout(manifest, kind),
        created=from_rfc3339(metadata.get("creationTimestamp")),
        restarted_for=record.get(CONTENT, ""),
        restarted_at=from_rfc3339(record.get(RESTARTED_AT)),
        halted=annotations.get(HALTED, ""),
        approved=annotations.get(APPROVE, ""),
        pods=tuple(sorted(selector.items())),
        labels=tuple(sorted((template.get("labels") or {}).items())),
        idle=_is_observed(manifest) and not kind.present(manifest.get("status") or {}),
        containers=tuple(_containers(template.get("declared") or {})),
        placed=tuple(sorted(read_placed(template.get("placed") or ()).items())),
        whole=tuple(tuple(path) for path in template.get("whole") or ()),
        holders=manifest.get("holders") or {},
    )


def _containers(declared: Mapping[str, Any]) -> Iterator[Path]:
    return ((name, container["name"]) for name in LISTS for container in declared.get(name) or ())


def _rollout(manifest: Manifest, kind: type[_Kind]) -> Rollout:
    spec, status = manifest.get("spec") or {}, manifest.get("status") or {}
    observed = _is_observed(manifest)
    seconds = spec.get("progressDeadlineSeconds")
    patience = timedelta(seconds=min(int(seconds), 86400)) if isinstance(seconds, int) else PATIENCE
    return Rollout(
        complete=observed and kind.complete(manifest),
        through=observed and kind.through(status),
        stuck=observed and bool(status.get("stuck")),
        patience=patience,
    )


def _is_observed(manifest: Manifest) -> bool:
    seen = int((manifest.get("status") or {}).get("observedGeneration") or 0)
    return seen >= int(manifest["metadata"].get("generation") or 0)


class _Kind:
    """What differs between the kinds of workloads."""

    @staticmethod
    def replicas(manifest: Manifest) -> int:
        wanted = (manifest.get("spec") or {}).get("replicas")
        return 1 if wanted is None else int(wanted)

    @staticmethod
    def outage(manifest: Manifest) -> str:
        raise NotImplementedError

    @staticmethod
    def frozen(spec: Mapping[str, Any]) -> str:
        raise NotImplementedError

    @staticmethod
    def complete(manifest: Manifest) -> bool:
        raise NotImplementedError

    @staticmethod
    def through(status: Mapping[str, Any]) -> bool:
        return bool(status.get("through"))

    @staticmethod
    def present(status: Mapping[str, Any]) -> int:
        return int(status.get("replicas") or 0)


class _Deployment(_Kind):
    @staticmethod
    def outage(manifest: Manifest) -> str:
        strategy = (manifest.get("spec") or {}).get("strategy") or {}
        if strategy.get("type") == "Recreate":
            return "its strategy is Recreate"
        rolling = strategy.get("rollingUpdate") or {}
        replicas = _Deployment.replicas(manifest)
        # One replica rolls without an outage only where its owner says so; the default of 25 % says nothing.
        keeps = rolling.get("maxUnavailable") in (0, "0", "0%")
        if replicas == 1 and not keeps:
            return "it has one replica (and its strategy no maxUnavailable of 0)"
        return (
            "" if keeps or _share(rolling.get("maxUnavailable"), replicas) < replicas else "all replicas may go at once"
        )

    @staticmethod
    def frozen(spec: Mapping[str, Any]) -> str:
        return "it is paused" if spec.get("paused") else ""

    @staticmethod
    def complete(manifest: Manifest) -> bool:
        status, wanted = manifest.get("status") or {}, _Deployment.replicas(manifest)
        updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
        return bool(updated == total == wanted and status.get("availableReplicas", 0) >= wanted)


class _StatefulSet(_Kind):
    @staticmethod
    def outage(manifest: Manifest) -> str:
        return "it has one replica" if _StatefulSet.replicas(manifest) == 1 else ""

    @staticmethod
    def frozen(spec: Mapping[str, Any]) -> str:
        strategy = spec.get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return "its update strategy is OnDelete: delete its pods yourself"
        partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
        return f"its update strategy has partition {partition}" if partition else ""

    @staticmethod
    def complete(manifest: Manifest) -> bool:
        status, wanted = manifest.get("status") or {}, _StatefulSet.replicas(manifest)
        # Right after a scale-up from nothing `updatedReplicas` is left out; the revisions tell then.
        there = status.get("replicas", 0) == wanted and status.get("availableReplicas", 0) >= wanted
        return bool(there and _StatefulSet.through(status))

    @staticmethod
    def through(status: Mapping[str, Any]) -> bool:
        return status.get("currentRevision") == status.get("updateRevision")


class _DaemonSet(_Kind):
    @staticmethod
    def replicas(manifest: Manifest) -> int:
        return int((manifest.get("status") or {}).get("desiredNumberScheduled") or 0)

    @staticmethod
    def outage(manifest: Manifest) -> str:
        rolling = ((manifest.get("spec") or {}).get("updateStrategy") or {}).get("rollingUpdate") or {}
        surges = rolling.get("maxSurge") not in (None, 0, "0", "0%")
        return "it runs on one node" if _DaemonSet.replicas(manifest) == 1 and not surges else ""

    @staticmethod
    def frozen(spec: Mapping[str, Any]) -> str:
        on_delete = (spec.get("updateStrategy") or {}).get("type") == "OnDelete"
        return "its update strategy is OnDelete: delete its pods yourself" if on_delete else ""

    @staticmethod
    def complete(manifest: Manifest) -> bool:
        status, wanted = manifest.get("status") or {}, _DaemonSet.replicas(manifest)
        updated = status.get("updatedNumberScheduled", 0)
        return bool(updated >= wanted and status.get("numberAvailable", 0) >= wanted)

    @staticmethod
    def present(status: Mapping[str, Any]) -> int:
        return int(status.get("currentNumberScheduled") or 0)


KINDS: Mapping[str, type[_Kind]] = {
    "Deployment": _Deployment,
    "StatefulSet": _StatefulSet,
    "DaemonSet": _DaemonSet,
}


def _share(value: int | str | None, replicas: int) -> int:
    """MaxUnavailable as a number of pods, rounded down as the Deployment controller does."""
    if value is None:
        value = "25%"
    if isinstance(value, str):
        percent = value.removesuffix("%")
        return floor(replicas * int(percent) / 100) if percent.isdigit() else replicas
    return value


TARGET: Projection[Target] = Projection("target", _target)
