"""A world in memory: manifests as an API server would hold them, read by plans and changed by their actions.

Who wrote which field is kept as the API server keeps it, because plans decide by it.
"""

from __future__ import annotations

import base64
import copy
import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from breakwater.kernel import references
from breakwater.kernel.apply import owned_data_keys
from breakwater.kernel.ownership import MANAGED_BY, MANAGER, SUBJECT
from breakwater.kernel.plan import (
    Action,
    ApplyObject,
    Contest,
    DeleteObject,
    Failure,
    Plan,
    RelabelSecret,
    Version,
    WriteSecret,
)
from breakwater.kernel.reading import ABSENT, NOT_FETCHED, Entry, Manifest, Present, Reading, Unknown
from breakwater.kernel.references import SECRET, Ref, Resource, Subject
from breakwater.kernel.restrain import SETTLED as SETTLED_FACT
from breakwater.kernel.sealed import Sealed
from breakwater.kernel.settings import Settings
from breakwater.kernel.world import Index, World

RESOURCES = {(item.api_version, item.kind): item for item in vars(references).values() if isinstance(item, Resource)}
SETTLED = 5

PlanFunction = Callable[[Subject, World, datetime], Plan]
Path = tuple[str, ...]


class MemoryWorld:
    """Implements `breakwater.kernel.world.Source`."""

    def __init__(self, *manifests: Manifest, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._objects: dict[Ref, dict[str, Any]] = {}
        self._owners: dict[Ref, dict[Path, str]] = {}
        self._unknown: dict[Ref | Resource, Unknown] = {}
        self._facts: dict[Hashable, Reading[Any]] = {SETTLED_FACT: Present(value=True)}
        self._failures: dict[Subject, dict[str, Failure]] = {}
        self._unread: set[Ref] = set()
        self._contests: dict[Ref, Contest] = {}
        self._numbers = itertools.count(1)
        for manifest in manifests:
            self.put(manifest, by="somebody")

    # --- what a test arranges ---------------------------------------------------------------------------------

    def put(self, manifest: Manifest, *, by: str) -> Ref:
        """Create or replace an object as manager `by`; only what differs from before becomes theirs."""
        resource = RESOURCES[manifest["apiVersion"], manifest["kind"]]
        metadata = manifest["metadata"]
        ref = Ref(resource, metadata.get("namespace", ""), metadata["name"])
        before = self._objects.get(ref)
        after = copy.deepcopy(dict(manifest))
        version = next(self._numbers)
        uid = before["metadata"]["uid"] if before else f"uid-{version}"
        after["metadata"] |= {"uid": uid, "resourceVersion": str(version), "generation": 1}
        after["metadata"].setdefault("creationTimestamp", "2026-06-01T00:00:00Z")
        self._owners[ref] = _owners(self._owners.get(ref, {}), before or {}, after, by)
        after["metadata"]["managedFields"] = list(_managed_fields(self._owners[ref], resource))
        self._objects[ref] = after
        return ref

    def edit(self, ref: Ref, change: Callable[[dict[str, Any]], None], *, by: str) -> None:
        """Change an object in place as manager `by`."""
        manifest = copy.deepcopy(self._objects[ref])
        change(manifest)
        self.put(manifest, by=by)

    def drop(self, ref: Ref) -> None:
        """Delete an object."""
        del self._objects[ref], self._owners[ref]

    def obscure(self, what: Ref | Resource, reason: str = "NotSynced") -> None:
        """From now on nobody can tell about this object, or about this type."""
        self._unknown[what] = Unknown(reason, f"{what} cannot be told")

    def unread(self, ref: Ref) -> None:
        """From now on only the metadata of this object is known, as of a foreign Secret that was not read yet."""
        self._unread.add(ref)

    def state(self, key: Hashable, value: Any) -> None:
        """Set a fact that is no object."""
        self._facts[key] = Present(value)

    def forget(self, key: Hashable) -> None:
        """End a fact that is no object."""
        self._facts.pop(key, None)

    def fail(self, subject: Subject, action_id: str, failure: Failure) -> None:
        """The subject's last try of this action failed."""
        self._failures.setdefault(subject, {})[action_id] = failure

    def manifest(self, ref: Ref) -> dict[str, Any]:
        """An object that must exist."""
        return self._objects[ref]

    def data(self, ref: Ref) -> dict[str, bytes]:
        """A Secret's data, decoded."""
        return {key: base64.b64decode(value) for key, value in self._objects[ref].get("data", {}).items()}

    def refs(self, resource: Resource) -> list[Ref]:
        """All objects of a type."""
        return sorted(ref for ref in self._objects if ref.resource is resource)

    # --- planning and acting ----------------------------------------------------------------------------------

    def plan(self, subject: Subject, function: PlanFunction, now: datetime) -> Plan:
        """One plan, with nothing done."""
        return function(subject, World(self, subject), now)

    def settle(self, subject: Subject, function: PlanFunction, now: datetime) -> Plan:
        """Plan and act until there is nothing to do, write status; returns the last plan."""
        for _ in range(SETTLED):
            plan = self.plan(subject, function, now)
            for action in plan.actions:
                self.act(action, now)
            self._write_status(subject, plan)
            if not plan.actions:
                return plan
        raise AssertionError(f"{subject}: the plan does not converge: {[action.reason for action in plan.actions]}")

    def act(self, action: Action, now: datetime) -> None:
        """Do it as the engine does."""
        if isinstance(action, DeleteObject):
            self._expect(action.target, action.replaces)
            self.drop(action.target)
            return
        if isinstance(action, ApplyObject):
            self.put(_merged(self._objects.get(action.target, {}), action.manifest), by=MANAGER)
            return
        assert isinstance(action, WriteSecret | RelabelSecret), action
        self._expect(action.target, action.replaces)
        self.put(self._secret(action, now), by=MANAGER)

    def _secret(self, action: WriteSecret | RelabelSecret, now: datetime) -> Manifest:
        live = self._objects.get(action.target, {"metadata": {}})
        ref, metadata = action.target, dict(live["metadata"])
        for field, marks in (("labels", action.labels), ("annotations", action.annotations)):
            merged = {**metadata.get(field, {}), **marks}
            metadata[field] = {key: value for key, value in merged.items() if value is not None}
        manifest = {"apiVersion": "v1", "kind": "Secret", **live, "metadata": metadata}
        manifest["metadata"] |= {"name": ref.name, "namespace": ref.namespace}
        if isinstance(action, RelabelSecret):
            return manifest
        ours = owned_data_keys(live)
        theirs = {key: value for key, value in live.get("data", {}).items() if key not in ours}
        return manifest | {"type": action.secret_type, "data": theirs | made(action, now)}

    def _expect(self, ref: Ref, version: Version | None) -> None:
        live = self._objects.get(ref)
        if version is None:
            assert live is None, f"{ref} exists: a POST would fail"
        else:
            assert live is not None, f"{ref} is gone: a write with a version would fail"
            assert live["metadata"]["resourceVersion"] == version.resource_version, f"{ref} has changed"

    def _write_status(self, subject: Subject, plan: Plan) -> None:
        for ref, manifest in self._objects.items():
            if (manifest["kind"], ref.namespace, ref.name) == subject and plan.status is not None:
                manifest["status"] = copy.deepcopy(dict(plan.status))
                return

    # --- the source -------------------------------------------------------------------------------------------

    def look_up(self, ref: Ref) -> Reading[Entry]:
        return NOT_FETCHED if ref in self._unread else self.metadata(ref)

    def metadata(self, ref: Ref) -> Reading[Entry]:
        unknown = self._unknown.get(ref) or self._unknown.get(ref.resource)
        if unknown is not None:
            return unknown
        manifest = self._objects.get(ref)
        return Present(Entry.of(manifest)) if manifest is not None else ABSENT

    def listing(self, resource: Resource, namespace: str | None) -> Reading[Iterable[tuple[Ref, Entry]]]:
        if resource in self._unknown:
            return self._unknown[resource]
        chosen = [ref for ref in self.refs(resource) if namespace in (None, ref.namespace)]
        return Present([(ref, Entry.of(self._objects[ref])) for ref in chosen])

    def indexed(self, index: Index, key: Hashable) -> Reading[Mapping[Ref, Any]]:
        gaps = [self._unknown[resource] for resource in index.resources if resource in self._unknown]
        gap = next((gap for gap in gaps if gap.reason not in index.overlooks), None)
        if gap is not None:
            return gap
        facts = {ref: index.facts(self._objects[ref]) for resource in index.resources for ref in self.refs(resource)}
        return Present({ref: found[key] for ref, found in facts.items() if key in found})

    def fact(self, key: Hashable) -> Reading[Any]:
        return self._facts.get(key, ABSENT)

    def failures(self, subject: Subject) -> Mapping[str, Failure]:
        return self._failures.get(subject, {})

    def contest(self, ref: Ref) -> Contest | None:
        return self._contests.get(ref)


def made(action: WriteSecret, now: datetime) -> dict[str, str]:
    """What an action writes, encoded as a Secret's data holds it."""
    entries: dict[str, bytes | Sealed] = {}
    for part in action.parts:
        entries |= part.make(now)
    return {key: encoded(value.open() if isinstance(value, Sealed) else value) for key, value in entries.items()}


def encoded(value: bytes) -> str:
    """As a Secret's data holds it."""
    return base64.b64encode(value).decode()


def secret(namespace: str, name: str) -> Ref:
    """The name of a Secret."""
    return Ref(SECRET, namespace, name)


def secret_manifest(namespace: str, name: str, data: Mapping[str, bytes], **metadata: Any) -> dict[str, Any]:
    """A Secret with this data."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": namespace, "name": name, **metadata},
        "data": {key: encoded(value) for key, value in data.items()},
    }


def namespace_manifest(name: str, **labels: str) -> dict[str, Any]:
    """A Namespace with these labels."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def marked(subject: Subject) -> dict[str, Any]:
    """The marks of an object of ours, for its metadata."""
    return {"labels": {MANAGED_BY: MANAGER}, "annotations": {SUBJECT: str(subject)}}


def condition(plan: Plan, type_: str) -> tuple[str, str]:
    """Status and reason of a condition that a plan states; a pair of empty texts where it states none."""
    found = [item for item in (plan.status or {})["conditions"] if item["type"] == type_]
    return (found[0]["status"], found[0]["reason"]) if found else ("", "")


def message(plan: Plan, type_: str) -> str:
    """A condition's message."""
    return next(str(item["message"]) for item in (plan.status or {})["conditions"] if item["type"] == type_)


# --- who wrote what -----------------------------------------------------------------------------------------------

TRACKED = ("data", "spec", "type")


def _leaves(manifest: Mapping[str, Any]) -> dict[Path, Any]:
    metadata = manifest.get("metadata", {})
    top = {key: manifest[key] for key in TRACKED if key in manifest}
    marks = {key: metadata[key] for key in ("labels", "annotations", "ownerReferences") if key in metadata}
    return dict(_walk(top | {"metadata": marks}, ()))


def _walk(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _walk(item, (*path, key))
    elif path:
        yield path, value


def _owners(owners: Mapping[Path, str], before: Manifest, after: Manifest, manager: str) -> dict[Path, str]:
    old, new = _leaves(before), _leaves(after)
    return {path: owners[path] if path in owners and old.get(path) == value else manager for path, value in new.items()}


def _managed_fields(owners: Mapping[Path, str], resource: Resource) -> Iterator[dict[str, Any]]:
    for manager in sorted(set(owners.values())):
        fields: dict[str, Any] = {}
        for path in (path for path, owner in owners.items() if owner == manager):
            node = fields
            for key in path:
                node = node.setdefault(f"f:{key}", {})
        applied = manager == MANAGER and resource is not SECRET
        yield {"manager": manager, "operation": "Apply" if applied else "Update", "fieldsV1": fields}


def _merged(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(live)
    for key, value in wanted.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if nested else value
    return merged
