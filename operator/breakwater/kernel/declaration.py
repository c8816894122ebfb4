"""A resource of ours as its plan reads it, and what is left to do when it is gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

import orjson

from breakwater.kernel.model import InvalidModelError, Model
from breakwater.kernel.ownership import OWNED, RELEASED, Mark
from breakwater.kernel.plan import Action, DeleteObject, Gone, Plan, RelabelSecret
from breakwater.kernel.pruning import DEFINITION
from breakwater.kernel.reading import Manifest, Present, Projection, compact
from breakwater.kernel.references import SECRET, Ref, Subject, definition_of
from breakwater.kernel.world import World

S = TypeVar("S", bound=Model)

NO_STATUS: Final = b"{}"


@dataclass(frozen=True, slots=True)
class Declared(Generic[S]):
    """One version of a declaration.

    Attributes:
        spec: as the model reads it; None when it cannot.
        fault: why it cannot, naming fields and remedies.
        status_text: the status as it stands, in JSON: it is read seldom, and there are thousands.
        deleting: it is on its way out; nothing new is made for it.
    """

    uid: str
    generation: int
    spec: S | None
    fault: str
    status_text: bytes
    deleting: bool

    @property
    def status(self) -> Mapping[str, Any]:
        """The status, decoded anew each time; empty where there is none."""
        return orjson.loads(self.status_text)  # type: ignore[no-any-return]  # checked when it was encoded


def declared_by(model: type[S]) -> Projection[Declared[S]]:
    """The projection of a kind's declarations, parsed once per version."""

    def read(manifest: Manifest) -> Declared[S]:
        metadata = manifest["metadata"]
        spec, fault = None, ""
        try:
            spec = model.read(manifest.get("spec") or {})
        except InvalidModelError as error:
            fault = str(error)
        status = manifest.get("status")
        return Declared(
            metadata.get("uid", ""),
            int(metadata.get("generation") or 1),
            spec,
            fault,
            compact(status) if isinstance(status, Mapping) else NO_STATUS,
            "deletionTimestamp" in metadata,
        )

    return Projection(f"declared:{model.__name__}", read)


def specified_by(model: type[S]) -> Projection[Declared[S]]:
    """As `declared_by`, for other kinds: they have no business with the status, so its changes do not wake them."""
    declared = declared_by(model)
    return Projection(
        f"specified:{model.__name__}", lambda manifest: replace(declared.of(manifest), status_text=NO_STATUS)
    )


def farewell(subject: Subject, declaration: Ref, world: World) -> Plan:
    """The plan of a subject whose declaration is gone: delete what asked for it, release what holds keys.

    Released objects stay as they are, with a label that says so; a declaration of the same name takes them up again.
    """
    owned = world.indexed(OWNED, subject)
    definition = world.metadata(definition_of(declaration.resource), DEFINITION)
    if not isinstance(owned, Present) or not isinstance(definition, Present):
        return Plan()
    gone = Gone(declaration, definition.value.uid)
    actions = [_leave(ref, mark, gone) for ref, mark in owned.value if not (mark.released or mark.deleting)]
    return Plan(actions=tuple(actions))


def _leave(ref: Ref, mark: Mark, gone: Gone) -> Action:
    if ref.resource is SECRET and not mark.deletes:
        return RelabelSecret(
            id=f"release:{ref.namespace}/{ref.name}",
            target=ref,
            reason="Released",
            message=f"{gone.declaration} is gone and retains what it made",
            labels={RELEASED: "true"},
            annotations={},
            replaces=mark.version,
            gone=(gone,),
            notable=True,
        )
    return DeleteObject(
        id=f"delete:{ref.namespace}/{ref.name}",
        target=ref,
        reason="DeclarationGone",
        message=f"{gone.declaration} is gone",
        replaces=mark.version,
        gone=(gone,),
        takes_away=True,
        notable=True,
    )
