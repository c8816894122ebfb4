from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from pydantic import Field

from breakwater.kernel.fields import Between, Flag, Label, LabelSelector, Port
from breakwater.kernel.model import Model
from breakwater.kernel.rules import RULES, Entries, Format, Items, Rule
from breakwater.kernel.schema import SchemaError, structural_schema
from breakwater.kernel.structural import KEYWORDS, omissions, refusals


class Colour(StrEnum):
    """What it looks like."""

    RED = "Red"
    GREEN = "Green"


class Part(Model):
    """A part."""

    rules = (Rule("self.size > 0", "is needed", None, field=".size"),)
    atomic = True

    name: Label
    """Its name."""
    size: Annotated[int, Field(gt=0, lt=10)] = 1
    """Its size."""


class Whole(Model):
    """All of it."""

    colour: Colour = Colour.RED
    """Its colour."""
    constant: Literal["x"] | None = None
    """Always the same."""
    port: Port | None = None
    """Where it listens."""
    off: Flag = False
    """An empty default."""
    lasts: Annotated[timedelta, Between("1s", "24h")] = timedelta(minutes=90)
    """How long."""
    part: Part
    """One part."""
    checked: Annotated[Part, Rule("self.name != ''", "is checked", None)] | None = None
    """A part with a rule of its own."""
    parts: Annotated[tuple[Part, ...], Items(3, keys=("name",))] = ()
    """Some parts."""
    words: Annotated[tuple[Label, ...], Items(4, unique=True, at_least=1)]
    """Some words."""
    tags: Annotated[dict[str, Label], Entries(5, Format("^[a-z]+$", 9, "must be low"))] = Field(default_factory=dict)
    """Names for words."""
    selector: LabelSelector | None = None
    """Which ones."""


SCHEMA = structural_schema(Whole)
FIELDS = SCHEMA["properties"]


def test_a_generated_schema_is_what_the_api_server_takes_bounded_and_described() -> None:
    assert refusals(SCHEMA) == []
    assert omissions(SCHEMA) == []


def test_members_that_may_be_absent_are_neither_nullable_nor_required() -> None:
    assert SCHEMA["required"] == ["part", "words"]
    assert FIELDS["port"] == {"type": "integer", "description": "Where it listens.", "minimum": 1, "maximum": 65535}


def test_defaults_are_written_in_full_and_only_with_substance() -> None:
    assert {name: field["default"] for name, field in FIELDS.items() if "default" in field} == {
        "colour": "Red",
        "lasts": "1h30m",
    }

    class Holder(Model):
        inner: Annotated[Part, Field(description="p")] = Part(name="a", size=3)

    default = structural_schema(Holder)["properties"]["inner"]["default"]
    assert default == {"name": "a", "size": 3}, "the server judges it by the rules of its object before it fills it in"


def test_one_value_is_an_enum_and_open_bounds_are_booleans() -> None:
    assert FIELDS["constant"]["enum"] == ["x"]
    size = FIELDS["part"]["properties"]["size"]
    assert (size["minimum"], size["exclusiveMinimum"], size["maximum"], size["exclusiveMaximum"]) == (0, True, 10, True)


def test_lists_and_maps_say_how_they_are_shared_and_bounded() -> None:
    parts, words, tags = FIELDS["parts"], FIELDS["words"], FIELDS["tags"]
    assert (parts["x-kubernetes-list-type"], parts["x-kubernetes-list-map-keys"], parts["maxItems"]) == (
        "map",
        ["name"],
        3,
    )
    assert (words["x-kubernetes-list-type"], words["minItems"], words["maxItems"]) == ("set", 1, 4)
    assert tags["maxProperties"] == 5
    assert tags[RULES][0]["message"] == "every key must be low"


def test_a_use_keeps_the_rules_of_its_model_and_its_own_description() -> None:
    assert [rule["message"] for rule in FIELDS["checked"][RULES]] == ["is needed", "is checked"]
    assert FIELDS["checked"]["description"] == "A part with a rule of its own."
    assert FIELDS["part"]["x-kubernetes-map-type"] == "atomic"


def test_a_duration_brings_pattern_bounds_and_remedy() -> None:
    notation, bounds = FIELDS["lasts"][RULES]
    assert "pattern" in FIELDS["lasts"]
    assert "days are not a unit" in notation["message"]
    assert bounds["message"] == "must be between 1s and 24h"


def test_keywords_stand_in_one_order_whatever_the_model() -> None:
    for schema in (SCHEMA, FIELDS["lasts"], FIELDS["parts"], FIELDS["checked"]):
        assert list(schema) == sorted(schema, key=KEYWORDS.index)


class Endless(Model):
    """Contains itself."""

    more: "Endless | None" = None
    """More of it."""


class Either(Model):
    """No structural form."""

    value: int | str
    """A number or a word."""


class Positional(Model):
    """No structural form."""

    value: tuple[int, str]
    """A number and a word."""


@pytest.mark.parametrize(
    ("model", "problem"),
    [(Endless, "contains itself"), (Positional, "value: the API server does not know prefixItems")],
)
def test_what_has_no_structural_form_is_named(model: type[Model], problem: str) -> None:
    with pytest.raises(SchemaError, match=problem):
        structural_schema(model)


def test_a_field_of_two_types_is_found_by_the_checker() -> None:
    assert any("value: type is required" in refusal for refusal in refusals(structural_schema(Either)))
