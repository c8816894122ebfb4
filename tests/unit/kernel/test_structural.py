from __future__ import annotations

from typing import Any

import pytest

from breakwater.kernel.structural import omissions, refusals

TEXT = {"type": "string", "maxLength": 5, "description": "d"}
KEYED = {"type": "object", "properties": {"name": TEXT}, "required": ["name"]}

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("no type", {"description": "d"}, "f: type is required"),
    ("two types", {"type": ["string", "null"]}, "f: type ['string', 'null'] is not one of"),
    ("null", {"type": "null"}, "f: type 'null' is not one of"),
    ("reference", {"$ref": "#/definitions/x"}, "f: $ref is not part of"),
    ("definitions", {"type": "object", "$defs": {}}, "f: $defs is not part of"),
    ("const", {"type": "string", "const": "a"}, "f: const is not part of"),
    ("pattern properties", {"type": "object", "patternProperties": {}}, "f: patternProperties is not part of"),
    ("closed object", {"type": "object", "additionalProperties": False}, "f: additionalProperties may not be false"),
    (
        "both kinds of members",
        {"type": "object", "properties": {}, "additionalProperties": TEXT},
        "f: properties and additionalProperties exclude each other",
    ),
    (
        "members of a string",
        {"type": "string", "properties": {}},
        "f: properties and additionalProperties belong to objects",
    ),
    ("tuple", {"type": "array", "items": [TEXT]}, "f: items must be one schema"),
    ("list of nothing", {"type": "array"}, "f: items is required"),
    ("unique items", {"type": "array", "items": TEXT, "uniqueItems": True}, "f: uniqueItems may not be set"),
    ("required stranger", {"type": "object", "required": ["a"]}, "f: required names a, which is not a property"),
    (
        "open bound as number",
        {"type": "integer", "exclusiveMinimum": 0},
        "f: exclusiveMinimum is a boolean beside minimum",
    ),
    ("negative length", {"type": "string", "maxLength": -1}, "f: maxLength must be a whole number"),
    ("look-ahead", {"type": "string", "pattern": "^(?!a)"}, "f: pattern ^(?!a) uses what RE2 lacks"),
    ("broken pattern", {"type": "string", "pattern": "["}, "f: pattern [ does not compile"),
    ("unknown format", {"type": "string", "format": "binary"}, "f: format binary is ignored"),
    ("open object, said no", {"x-kubernetes-preserve-unknown-fields": False, "type": "object"}, "is true or absent"),
    ("typed int-or-string", {"x-kubernetes-int-or-string": True, "type": "string"}, "f: type must be absent"),
    ("embedded string", {"x-kubernetes-embedded-resource": True, "type": "string"}, "belongs to objects"),
    ("map type", {"type": "object", "x-kubernetes-map-type": "set"}, "f: x-kubernetes-map-type is granular or atomic"),
    (
        "map type of a list",
        {"type": "array", "items": TEXT, "x-kubernetes-map-type": "atomic"},
        "map-type belongs to objects",
    ),
    (
        "list type",
        {"type": "array", "items": TEXT, "x-kubernetes-list-type": "bag"},
        "f: x-kubernetes-list-type bag is not",
    ),
    (
        "list type of a string",
        {"type": "string", "x-kubernetes-list-type": "set"},
        "f: x-kubernetes-list-type belongs to lists",
    ),
    ("map without keys", {"type": "array", "items": KEYED, "x-kubernetes-list-type": "map"}, "need each other"),
    ("keys without map", {"type": "array", "items": KEYED, "x-kubernetes-list-map-keys": ["name"]}, "need each other"),
    (
        "key that nobody has",
        {"type": "array", "items": KEYED, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"]},
        "f: the key id must be a scalar member",
    ),
    (
        "key that may be absent",
        {
            "type": "array",
            "items": {"type": "object", "properties": {"name": TEXT}},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        "f: the key name must be required or have a default",
    ),
    (
        "set of objects",
        {"type": "array", "items": KEYED, "x-kubernetes-list-type": "set"},
        "f: items of a set must be scalar",
    ),
    (
        "set of nulls",
        {"type": "array", "items": {**TEXT, "nullable": True}, "x-kubernetes-list-type": "set"},
        "f: items of a set or map may not be nullable",
    ),
    ("typed branch", {"type": "string", "anyOf": [{"type": "string"}]}, "f: anyOf[0]: type may only stand outside"),
    ("default in a branch", {"type": "string", "not": {"default": "a"}}, "f: not: default may only stand outside"),
    (
        "rule in a branch",
        {"type": "string", "allOf": [{"x-kubernetes-validations": []}]},
        "f: allOf[0]: x-kubernetes-validations may only stand outside",
    ),
    (
        "member known to a branch only",
        {"type": "object", "oneOf": [{"properties": {"a": {"maxLength": 5}}}]},
        "f: oneOf[0].a: must be declared outside too",
    ),
    (
        "empty rule",
        {**TEXT, "x-kubernetes-validations": [{"rule": " ", "message": "m"}]},
        "f: a validation without rule",
    ),
    ("rule without words", {**TEXT, "x-kubernetes-validations": [{"rule": "true"}]}, "needs a message of one line"),
    (
        "reason of our own",
        {**TEXT, "x-kubernetes-validations": [{"rule": "true", "message": "m", "reason": "Wrong"}]},
        "f: reason Wrong is not one of",
    ),
    (
        "field path without dot",
        {**TEXT, "x-kubernetes-validations": [{"rule": "true", "message": "m", "fieldPath": "name"}]},
        "f: fieldPath name is not a path",
    ),
]


def root(field: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"f": field}}


@pytest.mark.parametrize(("name", "field", "problem"), REFUSED, ids=[name for name, *_ in REFUSED])
def test_what_the_api_server_refuses_is_found_with_its_path(name: str, field: dict[str, Any], problem: str) -> None:
    assert any(problem in refusal for refusal in refusals(root(field)))
    deep = {"type": "object", "properties": {"f": {"type": "array", "items": field}}}
    assert any(problem.replace("f:", "f[]:", 1) in refusal for refusal in refusals(deep))


def test_a_schema_with_all_that_is_allowed_is_not_refused() -> None:
    allowed = {
        "number": {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "maximum": 9, "description": "d"},
        "either": {"x-kubernetes-int-or-string": True, "description": "d"},
        "time": {"type": "string", "format": "date-time", "description": "d"},
        "map": {"type": "object", "additionalProperties": TEXT, "maxProperties": 3, "description": "d"},
        "narrowed": {**TEXT, "anyOf": [{"pattern": "^a"}, {"maxLength": 2}]},
        "ruled": {**TEXT, "x-kubernetes-validations": [{"rule": "true", "message": "m", "fieldPath": ".a['b']"}]},
    }
    schema = {"type": "object", "properties": {"metadata": {"type": "object", "properties": {"name": TEXT}}, **allowed}}
    assert refusals(schema) == []
    assert omissions({"type": "object", "properties": allowed}) == []


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "string"}, "<root>: type must be object"),
        ({"type": "object", "default": {}}, "<root>: default has no meaning here"),
        (
            {
                "type": "object",
                "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}},
            },
            "metadata.labels: only name and generateName may be restricted",
        ),
    ],
)
def test_the_root_has_rules_of_its_own(schema: dict[str, Any], problem: str) -> None:
    assert problem in refusals(schema)


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ({"type": "string", "maxLength": 5}, "f: has no description"),
        ({"type": "string", "description": "d"}, "f: maxLength is missing"),
        ({"type": "array", "items": TEXT, "description": "d"}, "f: maxItems is missing"),
        (
            {"type": "array", "items": {"type": "string"}, "maxItems": 2, "description": "d"},
            "f[]: maxLength is missing",
        ),
        ({"type": "object", "additionalProperties": TEXT, "description": "d"}, "f: maxProperties is missing"),
        ({"type": "integer", "minimum": 0, "description": "d"}, "f: minimum and maximum are missing"),
        ({"type": "object", "x-kubernetes-preserve-unknown-fields": True, "description": "d"}, "f: may hold anything"),
        (
            {**TEXT, "x-kubernetes-validations": [{"rule": "true", "message": "m", "reason": "FieldValueDuplicate"}]},
            "f: the API server drops the message of a FieldValueDuplicate",
        ),
    ],
)
def test_a_field_without_bound_or_words_is_found(field: dict[str, Any], problem: str) -> None:
    assert omissions(root(field)) == [problem]
