"""A ValidatingAdmissionPolicy with its binding, from the rights that it asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from breakwater.kernel.references import GROUP, VALIDATING_BINDING, VALIDATING_POLICY, VERSION, Ref, Resource
from breakwater.tenancy.rights import Need

ENFORCED = "object.spec.mode == 'Enforce'"
"""In Observe nothing but status is written, so no right to write is asked for."""
CHANGED = {"name": "changed", "expression": "request.operation == 'CREATE' || object.spec != oldObject.spec"}
"""Whoever changes a spec answers for all of it: a Secret that it named before goes where the new spec says. Labels,
an apply that changes nothing, and deletion ask for nothing."""
_SUFFIX = f"tenancy.{GROUP}"
_LABELS = {"app.kubernetes.io/part-of": "breakwater"}


def optional(path: str) -> str:
    """A string member of the object, empty where it or a parent is absent."""
    first, *rest = path.split(".")
    return f"object.{first}" + "".join(f".?{name}" for name in rest) + ".orValue('')"


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy.

    Attributes:
        name: its first label.
        resources: that it judges.
        part: a subresource.
        needs: the rights that it asks for.
        validations: what it asks for besides.
        unchanged: whether it also judges requests that leave the spec as it is.
    """

    name: str
    resources: tuple[Resource, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()
    validations: tuple[Mapping[str, str], ...] = ()
    part: str = ""
    unchanged: bool = False

    @property
    def manifests(self) -> Sequence[dict[str, Any]]:
        """The policy, and the binding that puts it in force everywhere."""
        name = f"{self.name}.{_SUFFIX}"
        bound = {"policyName": name, "validationActions": ["Deny"]}
        return (
            _object(Ref(VALIDATING_POLICY, "", name), self._spec),
            _object(Ref(VALIDATING_BINDING, "", name), bound),
        )

    @property
    def _spec(self) -> dict[str, Any]:
        part = f"/{self.part}" if self.part else ""
        rule = {
            "apiGroups": [GROUP],
            "apiVersions": [VERSION],
            "operations": ["CREATE", "UPDATE"],
            "resources": [f"{resource.plural}{part}" for resource in self.resources],
        }
        variables = [{"name": name, "expression": cel} for name, cel in self.variables.items()]
        return {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            **({} if self.unchanged else {"matchConditions": [CHANGED]}),
            **({"variables": variables} if variables else {}),
            "validations": [*(need.validation for need in self.needs), *map(dict, self.validations)],
        }


def _object(ref: Ref, spec: Mapping[str, Any]) -> dict[str, Any]:
    resource = ref.resource
    metadata = {"name": ref.name, "labels": _LABELS}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": dict(spec)}
