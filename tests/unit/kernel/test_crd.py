from dataclasses import replace
from typing import Annotated, Any

import pytest
import yaml
from pydantic import Field

from breakwater.kernel.crd import crd, render_crds
from breakwater.kernel.fields import Label
from breakwater.kernel.kind import AGE, READY, SECURED, Column, Kind, StatusModel
from breakwater.kernel.model import Model
from breakwater.kernel.references import Resource
from breakwater.kernel.rules import Items, Rule
from breakwater.kernel.schema import SchemaError


class WidgetSpec(Model):
    """A widget as its owner wants it."""

    rules = (Rule("self.size < 9 || has(self.words)", "needs words | many", None, field=".size"),)

    size: Annotated[int, Field(ge=1, le=9)] = 3
    """How big."""
    words: Annotated[tuple[Label, ...], Items(4, unique=True)] = ()
    """What it says."""
    name: Label
    """What it is called."""


class Vague(Model):
    """Without bounds."""

    text: str
    nested: int = 0
    """A number."""


KIND = Kind(
    resource=Resource("example.dev", "v1", "Widget", "widgets"),
    description="A widget.",
    spec=WidgetSpec,
    status=StatusModel,
    short_names=("wdg",),
    columns=(READY, SECURED, Column("Size", ".spec.size", "How big", "integer", wide=True), AGE),
)


def version() -> dict[str, Any]:
    (only,) = crd(KIND)["spec"]["versions"]
    return dict(only)


def test_a_kind_is_declared_with_its_names_scope_and_category() -> None:
    manifest = crd(KIND)
    assert manifest["metadata"]["name"] == "widgets.example.dev"
    assert manifest["spec"]["scope"] == "Namespaced"
    assert manifest["spec"]["names"] == {
        "kind": "Widget",
        "listKind": "WidgetList",
        "plural": "widgets",
        "singular": "widget",
        "shortNames": ["wdg"],
        "categories": ["breakwater"],
    }
    clustered = replace(KIND, resource=Resource("example.dev", "v1", "Widget", "widgets", namespaced=False))
    assert crd(clustered)["spec"]["scope"] == "Cluster"


def test_one_served_version_has_a_status_subresource_and_columns() -> None:
    assert (version()["served"], version()["storage"], version()["subresources"]) == (True, True, {"status": {}})
    ready, _, size, age = version()["additionalPrinterColumns"]
    assert ready["jsonPath"] == '.status.conditions[?(@.type=="Ready")].status'
    assert (size["priority"], size["type"]) == (1, "integer")
    assert (age["jsonPath"], age["type"]) == (".metadata.creationTimestamp", "date")


def test_conditions_have_the_form_of_kubernetes_and_are_shared_by_type() -> None:
    status = version()["schema"]["openAPIV3Schema"]["properties"]["status"]
    conditions = status["properties"]["conditions"]
    assert (conditions["x-kubernetes-list-type"], conditions["x-kubernetes-list-map-keys"]) == ("map", ["type"])
    members = conditions["items"]["properties"]
    assert list(members) == ["type", "status", "reason", "message", "observedGeneration", "lastTransitionTime"]
    assert members["status"]["enum"] == ["True", "False", "Unknown"]
    assert conditions["items"]["required"] == ["type", "status", "reason", "lastTransitionTime"]
    assert "observedGeneration" in status["properties"]


def test_a_name_fits_into_a_label() -> None:
    schema = version()["schema"]["openAPIV3Schema"]
    assert schema["properties"]["metadata"]["properties"]["name"]["maxLength"] == 63
    assert schema["required"] == ["spec"]


def test_a_field_without_bound_or_description_gets_no_crd() -> None:
    with pytest.raises(SchemaError) as refused:
        crd(replace(KIND, spec=Vague))
    assert str(refused.value) == (
        "Widget: spec.text: has no description; spec.text: maxLength is missing; "
        "spec.nested: minimum and maximum are missing"
    )


def test_rendered_files_are_the_same_each_time_without_anchors() -> None:
    files = render_crds([KIND])
    assert files == render_crds([KIND])
    assert list(files) == ["widgets.yaml", "README.md"]
    assert yaml.safe_load(files["widgets.yaml"]) == crd(KIND)
    assert "&id" not in files["widgets.yaml"]


def test_the_reference_tells_type_default_bounds_and_rules_of_each_field() -> None:
    reference = render_crds([KIND])["README.md"]
    assert "| `spec.size` | integer | `3` | 1 to 9 | How big. |" in reference
    assert "| `spec.words` | set |  | 0 to 4 items | What it says. |" in reference
    assert "| `spec.name` | string | required | 1 to 63 characters | What it is called. |" in reference
    assert (
        "| `status.conditions[].lastTransitionTime` | time | required |  | When the status last changed. |" in reference
    )
    assert "| `spec.size` | needs words \\| many |" in reference
