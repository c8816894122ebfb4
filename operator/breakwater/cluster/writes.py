"""Every write to the API server, and the rules that each of them obeys.

Objects that we made are applied; keys are created by POST and changed by PUT, never applied, because an apply to an
object that has vanished silently makes another. Nothing of others is ever forced: fields of theirs are applied without
force, or patched on the very version in which nobody held them.
"""

from __future__ import annotations

from breakwater.cluster.client import APPLY, PATCH, ApiError, Client, collection_path, object_path
from breakwater.kernel.dryrun import Answer
from breakwater.kernel.ownership import MANAGER
from breakwater.kernel.plan import Version
from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import Ref, Resource

_WRITER = {"fieldManager": MANAGER}


class Writer:
    """Writes as the operator, or as a manager that it plays for one asking resource."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, ref: Ref) -> Manifest | None:
        """The live object; None when it does not exist."""
        try:
            return await self._client.request("GET", object_path(ref))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def create(self, resource: Resource, manifest: Manifest) -> Manifest:
        """POST: fails with 409 where the object exists, whatever a stale cache believed."""
        path = collection_path(resource, manifest["metadata"].get("namespace", ""))
        return await self._client.request("POST", path, query=_WRITER, body=manifest)

    async def try_create(self, resource: Resource, manifest: Manifest) -> Answer:
        """POST as a dry run: everything but storing it; a refusal is an answer like another.

        Raises:
            ApiError: there was no verdict on the object: no answer, a fault of the server, or too many requests.
        """
        path = collection_path(resource, manifest["metadata"].get("namespace", ""))
        try:
            made, warnings = await self._client.warned("POST", path, {**_WRITER, "dryRun": "All"}, manifest)
        except ApiError as error:
            if not 400 <= error.status < 500 or error.status in (401, 408, 429):
                raise
            return Answer(error.status, error.message, (), {}, {})
        return Answer(201, "", warnings, made["metadata"].get("annotations") or {}, made.get("spec") or {})

    async def replace(self, ref: Ref, manifest: Manifest) -> Manifest:
        """PUT of a version that was read; fails with 409 where another one stands."""
        return await self._client.request("PUT", object_path(ref), query=_WRITER, body=manifest)

    async def apply(self, ref: Ref, manifest: Manifest, *, manager: str = MANAGER, force: bool = False) -> Manifest:
        """Server-side apply; a conflict is an ApiError 409 whose causes name the other managers."""
        query = {"fieldManager": manager, "force": "true" if force else "false"}
        return await self._client.request("PATCH", object_path(ref), query=query, body=manifest, content_type=APPLY)

    async def patch(self, ref: Ref, change: Manifest, manager: str) -> Manifest:
        """Strategic merge patch; fails with 409 where another version stands than the one it names."""
        query = {"fieldManager": manager}
        return await self._client.request("PATCH", object_path(ref), query=query, body=change, content_type=PATCH)

    async def replace_status(self, ref: Ref, manifest: Manifest) -> Manifest:
        """PUT of the status of a version that was read."""
        return await self._client.request("PUT", object_path(ref, "status"), query=_WRITER, body=manifest)

    async def delete(self, ref: Ref, version: Version) -> None:
        """Delete exactly this version; an object that is gone already is no error."""
        preconditions = {"uid": version.uid, "resourceVersion": version.resource_version}
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions}
        try:
            await self._client.request("DELETE", object_path(ref), body=body)
        except ApiError as error:
            if error.status != 404:
                raise


def conflicting_managers(error: ApiError) -> tuple[tuple[str, str], ...]:
    """The (manager, field) pairs that a refused apply names."""
    conflicts = [cause for cause in error.causes if cause.get("reason") == "FieldManagerConflict"]
    return tuple(
        sorted((_manager_in(str(cause.get("message", ""))), str(cause.get("field", ""))) for cause in conflicts)
    )


def _manager_in(message: str) -> str:
    quoted = message.split('"')
    return quoted[1] if len(quoted) > 2 else "unknown"
