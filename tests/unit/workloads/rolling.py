"""Workloads for plans of restarts: as an API server holds them, reduced as the operator keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from breakwater.certificates.rotation import RotationScheduleSpec
from breakwater.kernel.ownership import MANAGED_BY, MANAGER, SUBJECT
from breakwater.kernel.references import DEPLOYMENT, Ref, Subject
from breakwater.kernel.sealed import Sealed
from breakwater.workloads.asking import Asking
from breakwater.workloads.marking import RESTARTS, SECRET_NAME, mark_of, record_of
from breakwater.workloads.target import CONTENT, RESTARTED_AT, reduced
from breakwater.workloads.template import FIELD_MANAGER, LISTS, POD_DEFAULTS, Fields, content_of
from breakwater.workloads.workload import subject_of
from tests.unit.worlds import MemoryWorld, secret_manifest

SYSTEM = "breakwater-system"
APP = subject_of("Deployment", "bpm", "app")
APP_REF = Ref(DEPLOYMENT, "bpm", "app")
CHANNEL = Subject("CommunicationChannel", "bpm", "db")
KEY = Sealed(b"k" * 64)
OTHER_KEY = Sealed(b"o" * 64)
LONG = timedelta(hours=24)


def marking_key(key: Sealed = KEY) -> dict[str, Any]:
    """The Secret with the key for marks."""
    marks = {"labels": {MANAGED_BY: MANAGER}, "annotations": {SUBJECT: str(RESTARTS)}}
    return secret_manifest(SYSTEM, SECRET_NAME, {"password": key.open()}, **marks)


def mark(content: bytes, key: Sealed = KEY) -> str:
    """The mark of a Secret with this one entry."""
    return mark_of(Sealed(b"3:key:%d:%s" % (len(content), content)), key)


def record(**contents: bytes) -> str:
    """What a restart for these writes on the template."""
    return record_of({name.replace("_", "-"): mark(content) for name, content in contents.items()})


def deployment(
    *secrets: str,
    name: str = "app",
    namespace: str = "bpm",
    replicas: int = 3,
    restarted: str = "",
    at: str = "2026-06-01T12:00:00Z",
    annotations: Mapping[str, str] | None = None,
    rolled: bool = True,
    stuck: bool = False,
    through: bool = False,
    pod: Mapping[str, Any] | None = None,
    placed: Fields | None = None,
    pods: int | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A Deployment that uses these Secrets; `rolled` says whether its last rollout is through.

    `pod` is added to the spec of its template, in which `placed` stands by our hand; so many `pods` are there.
    """
    template: dict[str, Any] = {"metadata": {"labels": {"app": name}}}
    if restarted:
        template["metadata"]["annotations"] = {CONTENT: restarted, RESTARTED_AT: at}
    template["spec"] = {"volumes": [{"secret": {"secretName": secret}} for secret in secrets]} | dict(pod or {})
    there = replicas if rolled else replicas - 1
    status: dict[str, Any] = {
        "observedGeneration": 1,
        "replicas": replicas if pods is None else pods,
        "updatedReplicas": there,
        "availableReplicas": there,
    }
    reason = "ProgressDeadlineExceeded" if stuck else "NewReplicaSetAvailable" if through else "ReplicaSetUpdated"
    status["conditions"] = [{"type": "Progressing", "status": "False" if stuck else "True", "reason": reason}]
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "generation": 1}
    if placed:
        template["spec"] = put_in(template["spec"], placed)
        metadata["managedFields"] = [held(placed)]
    manifest = {
        "kind": "Deployment",
        "metadata": metadata | ({"annotations": dict(annotations)} if annotations else {}),
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template} | spec,
        "status": status,
    }
    return {"apiVersion": "apps/v1", **reduced(manifest, "Deployment")}


def put_in(pod: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    """A pod's spec with these fields."""
    whole: dict[str, Any] = json.loads(json.dumps(pod))
    for path, value in fields.items():
        node: Any = whole
        for key in path[:-1]:
            found = next((item for item in node if item["name"] == key), None) if isinstance(node, list) else None
            node = found if found is not None else node.setdefault(key, {})
        node[path[-1]] = list(value) if isinstance(value, tuple) else value
    return whole


def held(
    fields: Fields, maps: tuple[tuple[str, ...], ...] = (), by: str = FIELD_MANAGER, operation: str = "Update"
) -> dict[str, Any]:
    """The entry of managedFields for these fields of a template, as an API server writes it after a patch."""
    spec: dict[str, Any] = {}
    for path in fields:
        node = spec
        for number, key in enumerate(path):
            if number == 1 and path[0] in LISTS:
                node = node.setdefault("k:" + json.dumps({"name": key}), {})
            else:
                node = node.setdefault(f"f:{key}", {})
                if path[: number + 1] in maps:
                    node["."] = {}
    template = {"f:metadata": {"f:annotations": {f"f:{CONTENT}": {}}}, "f:spec": spec}
    return {"manager": by, "operation": operation, "fieldsV1": {"f:spec": {"f:template": template}}}


def defaults_record(made: MemoryWorld, fields: Fields, ref: Ref | None = None, **contents: bytes) -> str:
    """What a restart that brings these fields writes on the template."""
    uid = made.manifest(ref or APP_REF)["metadata"]["uid"]
    marks = {name: mark(content) for name, content in contents.items()}
    return record_of(marks | {POD_DEFAULTS: mark_of(content_of(uid, fields), KEY)})


def asking(*secrets: str, rules: Mapping[str, Any] | None = None, **change: Any) -> Asking:
    """A channel's word for these Secrets, of which it remembers nothing."""
    return Asking(
        **{
            "secrets": dict.fromkeys(secrets, ""),
            "restart": True,
            "server": False,
            "schedule": "",
            "rules": RotationScheduleSpec.read(rules or {"restarts": {"minReady": "0s"}}),
            **change,
        }
    )


def world(workload: Mapping[str, Any], *askings: Asking, key: Sealed = KEY, **contents: bytes) -> MemoryWorld:
    """A workload, Secrets with one entry each, and who asks."""
    made = MemoryWorld(workload, marking_key(key))
    for name, content in contents.items():
        made.put(secret_manifest("bpm", name.replace("_", "-"), {"key": content}), by="breakwater")
    askers = {Subject("CommunicationChannel", "bpm", f"c{number}"): item for number, item in enumerate(askings)}
    if askers:
        made.state(("asked", APP), askers)
    return made
