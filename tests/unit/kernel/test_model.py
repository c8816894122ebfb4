import traceback
from datetime import timedelta
from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from breakwater.kernel.fields import Between, Flag, Label, Port
from breakwater.kernel.model import InvalidModelError, Model, Problem
from breakwater.kernel.rules import Entries, Format, Items, Rule, exactly_one, optional_text, raw

CANARY = "c4n4ry-s3cret"


class Leaf(Model):
    rules = (exactly_one("by_name", "by_port"),)

    by_name: Label | None = None
    by_port: Port | None = None


class Tree(Model):
    rules = (
        Rule("self.width > 1", "must be wider", lambda self: self.width > 1, field=".width"),
        Rule("self.lasts > duration('1m')", "must last longer", lambda self: self.lasts > timedelta(minutes=1)),
    )

    width: int = 2
    lasts: Annotated[timedelta, Between("1s", "24h")] = timedelta(hours=1)
    evergreen: Flag = False
    leaves: Annotated[tuple[Leaf, ...], Items(2)] = ()
    tags: Annotated[dict[str, str], Entries(1, Format("^[a-z]+$", 5, "must be short and low"))] = Field(
        default_factory=dict
    )


def problems(data: object) -> list[Problem]:
    with pytest.raises(InvalidModelError) as refused:
        Tree.read_strictly(data)
    return list(refused.value.problems)


def test_fields_of_a_newer_version_are_ignored_in_the_cluster_and_refused_from_people() -> None:
    data = {"width": 3, "height": 9, "leaves": [{"byPort": 1, "colour": "red"}]}
    assert Tree.read(data).leaves[0].by_port == 1
    assert [problem.field for problem in problems(data)] == ["spec.leaves[0].colour", "spec.height"]


def test_only_the_names_of_yaml_are_read() -> None:
    assert problems({"leaves": [{"by_port": 1}]})[0].field == "spec.leaves[0].by_port"


def test_a_null_is_an_absent_field_as_for_the_api_server() -> None:
    assert Tree.read_strictly({"width": None, "lasts": None}) == Tree()


def test_every_mistake_is_named_at_once_with_its_path() -> None:
    assert problems({"width": 1, "lasts": "1m"}) == [("spec.width", "must be wider"), ("spec", "must last longer")]
    assert [str(problem) for problem in problems({"leaves": [{}, {"byPort": 0}], "evergreen": "yes"})] == [
        "spec.evergreen: Input should be a valid boolean",
        "spec.leaves[0]: set exactly one of byName and byPort",
        "spec.leaves[1].byPort: Input should be greater than or equal to 1",
    ]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ([], "spec: must be an object"),
        ({"leaves": {}}, "spec.leaves: must be a list"),
        ({"leaves": ["x"]}, "spec.leaves[0]: must be an object"),
        ({"tags": []}, "spec.tags: must be a map"),
        ({"tags": {"A": "x"}}, "spec.tags: must be short and low"),
        ({"tags": {"a": "x", "b": "y"}}, "spec.tags: must have at most 1 entries"),
        ({"leaves": [{"byPort": 1}] * 3}, "spec.leaves: must have between 0 and 2 items"),
        ({"lasts": 5}, "spec.lasts: write a duration"),
        ({"lasts": "25h"}, "spec.lasts: must be between 1s and 24h"),
    ],
)
def test_a_wrong_shape_is_named_in_the_words_of_yaml(data: object, problem: str) -> None:
    assert str(problems(data)[0]).startswith(problem)


@pytest.mark.parametrize("data", [{"lasts": CANARY}, {"tags": {CANARY: "x"}}, {"width": CANARY}, {"leaves": [CANARY]}])
def test_a_refusal_never_shows_what_was_given(data: object) -> None:
    with pytest.raises(InvalidModelError) as refused:
        Tree.read(data)
    shown = "".join(traceback.format_exception(refused.value)) + repr(refused.value)
    assert CANARY not in shown
    assert refused.value.__context__ is None, (
        "pydantic's error holds the input; a debugger or log handler would find it"
    )


def test_a_key_of_a_map_cannot_forge_lines_of_a_message() -> None:
    assert problems({"tags": {"a\nReady: fine": 5}})[0].field == r'spec.tags["a\nReady: fine"]'


def test_a_model_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Tree().width = 5  # type: ignore[misc]  # that is the point


def test_a_manifest_is_read_back() -> None:
    tree = Tree(width=3, lasts=timedelta(minutes=90), leaves=(Leaf(by_port=1),), tags={"a": "b"})
    manifest = tree.manifest()
    assert manifest["lasts"] == "1h30m"
    assert manifest["leaves"] == [{"byPort": 1}]
    assert Tree.read_strictly(manifest) == tree


def test_an_optional_text_is_empty_wherever_its_path_ends() -> None:
    assert optional_text("a.b") == "(has(self.a) && has(self.a.b) ? self.a.b : '')"


def test_a_pattern_that_would_end_the_cel_literal_is_refused() -> None:
    with pytest.raises(ValueError, match="a quote"):
        raw("^[a-z']+$")
