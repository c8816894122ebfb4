"""What the API server refuses in a CRD's schema, found before it is asked; and what our own house adds to that.

`refusals` ports the rules for structural schemas and for the JSONSchemaProps type of apiextensions/v1. `omissions`
finds fields without description or bound: CEL is priced by the largest value a schema admits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

Schema = Mapping[str, Any]

KEYWORDS = (
    "type",
    "format",
    "description",
    "nullable",
    "default",
    "enum",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-map-type",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "externalDocs",
    "example",
    "title",
)
"""Every keyword the server keeps, in the order in which we write them."""

TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean"})
_NETWORK_FORMATS = frozenset({"uri", "email", "hostname", "ipv4", "ipv6", "cidr", "mac"})
_TEXT_FORMATS = frozenset({"bsonobjectid", "uuid", "uuid3", "uuid4", "uuid5", "byte", "password"})
_FORMATS_OF_THINGS = frozenset({"isbn", "isbn10", "isbn13", "creditcard", "ssn", "hexcolor", "rgbcolor"})
_OTHER_FORMATS = frozenset({"date", "duration", "datetime", "int32", "int64", "float", "double"})
FORMATS = _NETWORK_FORMATS | _TEXT_FORMATS | _FORMATS_OF_THINGS | _OTHER_FORMATS
REASONS = frozenset({"FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"})
NEVER_IN_BRANCHES = ("type", "title", "description", "default", "nullable", "additionalProperties")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_FIELD_PATH = re.compile(r"(\.[A-Za-z_][A-Za-z0-9_]*|\['[^']+'\])+")


def refusals(root: Schema) -> list[str]:
    """Why the API server would not take this as `openAPIV3Schema`; each with its path. Empty: it would."""
    at_root = [] if root.get("type") == "object" else ["<root>: type must be object"]
    forbidden = [f"<root>: {word} has no meaning here" for word in ("default", "nullable") if word in root]
    return [*at_root, *forbidden, *_metadata(root), *chain.from_iterable(_node(s, p) for p, s in walk(root))]


def omissions(root: Schema) -> list[str]:
    """Fields that lack a description, a bound or words for people, each with its path."""
    return list(chain.from_iterable(_unbounded(schema, path) for path, schema in walk(root)))


def walk(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema of a real field, parents first. `[]` stands for a list's items, `{}` for a map's values."""
    yield path or "<root>", schema
    for name, child in _mapping(schema.get("properties")).items():
        yield from walk(child, f"{path}.{name}" if path else name)
    if isinstance(schema.get("items"), Mapping):
        yield from walk(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from walk(schema["additionalProperties"], f"{path}{{}}")


def _node(schema: Schema, path: str) -> Iterator[str]:
    for check in _CHECKS:
        for problem in check(schema):
            yield f"{path}: {problem}"


def _unknown_keywords(schema: Schema) -> Iterator[str]:
    for keyword in schema.keys() - set(KEYWORDS):
        yield f"{keyword} is not part of the API server's schema type"


def _type(schema: Schema) -> Iterator[str]:
    kind = schema.get("type")
    open_ended = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if kind is None and not open_ended:
        yield "type is required"
    elif kind is not None and (not isinstance(kind, str) or kind not in TYPES):
        yield f"type {kind!r} is not one of {', '.join(sorted(TYPES))}"
    if kind is not None and schema.get("x-kubernetes-int-or-string"):
        yield "type must be absent beside x-kubernetes-int-or-string"
    if kind == "array" and "items" not in schema:
        yield "items is required for a list"


def _shape(schema: Schema) -> Iterator[str]:
    kind = schema.get("type")
    extra = schema.get("additionalProperties")
    if extra is False:
        yield "additionalProperties may not be false: unknown fields are pruned"
    if extra is not None and "properties" in schema:
        yield "properties and additionalProperties exclude each other"
    if kind != "object" and (extra is not None or "properties" in schema):
        yield "properties and additionalProperties belong to objects"
    if "items" in schema and not isinstance(schema["items"], Mapping):
        yield "items must be one schema"
    for name in set(_sequence(schema.get("required"))) - _mapping(schema.get("properties")).keys():
        yield f"required names {name}, which is not a property"


def _values(schema: Schema) -> Iterator[str]:
    if schema.get("uniqueItems"):
        yield "uniqueItems may not be set: use x-kubernetes-list-type: set"
    for keyword in ("exclusiveMinimum", "exclusiveMaximum"):
        if keyword in schema and not isinstance(schema[keyword], bool):
            yield f"{keyword} is a boolean beside {keyword.removeprefix('exclusive').lower()}"
    for keyword in _COUNTS:
        count = schema.get(keyword, 0)
        if not isinstance(count, int) or count < 0:
            yield f"{keyword} must be a whole number, not negative"
    if "pattern" in schema:
        yield from _pattern(schema["pattern"])
    if "format" in schema and str(schema["format"]).replace("-", "") not in FORMATS:
        yield f"format {schema['format']} is ignored by the API server: use a pattern or a rule"


def _pattern(pattern: str) -> Iterator[str]:
    if re.search(r"\(\?[=!<]|\\[1-9]|\(\?P=", pattern):
        yield f"pattern {pattern} uses what RE2 lacks: look-around or back-references"
    try:
        re.compile(pattern)
    except re.error as error:
        yield f"pattern {pattern} does not compile: {error}"


def _extensions(schema: Schema) -> Iterator[str]:
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        yield "x-kubernetes-preserve-unknown-fields is true or absent"
    if schema.get("x-kubernetes-embedded-resource") and schema.get("type") != "object":
        yield "x-kubernetes-embedded-resource belongs to objects"
    if schema.get("x-kubernetes-map-type", "granular") not in ("granular", "atomic"):
        yield "x-kubernetes-map-type is granular or atomic"
    if schema.get("x-kubernetes-map-type") and schema.get("type") != "object":
        yield "x-kubernetes-map-type belongs to objects"
    for rule in _sequence(schema.get("x-kubernetes-validations")):
        yield from _rule(rule)


def _rule(rule: Schema) -> Iterator[str]:
    if not str(rule.get("rule", "")).strip():
        yield "a validation without rule"
    message = rule.get("message", "")
    if not message or "\n" in message or len(message) > 2048:
        yield f"the validation {rule.get('rule')!r} needs a message of one line"
    if rule.get("reason", "FieldValueInvalid") not in REASONS:
        yield f"reason {rule['reason']} is not one of {', '.join(sorted(REASONS))}"
    if "fieldPath" in rule and not _FIELD_PATH.fullmatch(rule["fieldPath"]):
        yield f"fieldPath {rule['fieldPath']} is not a path of members below this object"


def _lists(schema: Schema) -> Iterator[str]:
    kind, keys = schema.get("x-kubernetes-list-type"), _sequence(schema.get("x-kubernetes-list-map-keys"))
    items = _mapping(schema.get("items"))
    if kind is not None and schema.get("type") != "array":
        yield "x-kubernetes-list-type belongs to lists"
    if kind not in (None, "atomic", "set", "map"):
        yield f"x-kubernetes-list-type {kind} is not atomic, set or map"
    if (kind == "map") != bool(keys):
        yield "x-kubernetes-list-map-keys and x-kubernetes-list-type: map need each other"
    if kind in ("set", "map") and items.get("nullable"):
        yield "items of a set or map may not be nullable"
    if kind == "set" and items.get("type") in ("object", "array") and not _is_atomic(items):
        yield "items of a set must be scalar or atomic"
    for key in keys if kind == "map" else ():
        yield from _key(items, key)


def _key(items: Schema, key: str) -> Iterator[str]:
    member = _mapping(_mapping(items.get("properties")).get(key))
    if member.get("type") not in ("string", "integer", "number", "boolean"):
        yield f"the key {key} must be a scalar member of the items"
    if key not in _sequence(items.get("required")) and "default" not in member:
        yield f"the key {key} must be required or have a default"
    if member.get("nullable"):
        yield f"the key {key} may not be nullable"


def _is_atomic(items: Schema) -> bool:
    return "atomic" in (items.get("x-kubernetes-map-type"), items.get("x-kubernetes-list-type"))


def _branches(schema: Schema) -> Iterator[str]:
    for word in ("allOf", "anyOf", "oneOf"):
        for index, branch in enumerate(_sequence(schema.get(word))):
            yield from _branch(schema, branch, f"{word}[{index}]")
    if "not" in schema:
        yield from _branch(schema, schema["not"], "not")


def _branch(real: Schema, branch: Schema, path: str) -> Iterator[str]:
    """A value validation: it may narrow what the real schema beside it declares, nothing else."""
    for keyword in branch:
        if keyword in NEVER_IN_BRANCHES or keyword.startswith("x-kubernetes-"):
            yield f"{path}: {keyword} may only stand outside"
    declared = _mapping(real.get("properties"))
    for name, member in _mapping(branch.get("properties")).items():
        if name not in declared:
            yield f"{path}.{name}: must be declared outside too"
        else:
            yield from _branch(declared[name], member, f"{path}.{name}")
    if isinstance(branch.get("items"), Mapping):
        yield from _branch(_mapping(real.get("items")), branch["items"], f"{path}[]")


def _metadata(root: Schema) -> Iterator[str]:
    metadata = _mapping(_mapping(root.get("properties")).get("metadata"))
    for name in _mapping(metadata.get("properties")).keys() - {"name", "generateName"}:
        yield f"metadata.{name}: only name and generateName may be restricted"


def _unbounded(schema: Schema, path: str) -> Iterator[str]:
    if not path.endswith(("[]", "{}", "<root>")) and not schema.get("description"):
        yield f"{path}: has no description"
    kind = schema.get("type")
    if kind == "string" and not schema.keys() & {"enum", "maxLength"} and schema.get("format") != "date-time":
        yield f"{path}: maxLength is missing"
    if kind == "array" and "maxItems" not in schema:
        yield f"{path}: maxItems is missing"
    if "additionalProperties" in schema and "maxProperties" not in schema:
        yield f"{path}: maxProperties is missing"
    if kind in ("integer", "number") and "enum" not in schema and not {"minimum", "maximum"} <= schema.keys():
        yield f"{path}: minimum and maximum are missing"
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        yield f"{path}: may hold anything"
    if any(rule.get("reason") == "FieldValueDuplicate" for rule in _sequence(schema.get("x-kubernetes-validations"))):
        yield f"{path}: the API server drops the message of a FieldValueDuplicate"


def _mapping(value: object) -> Schema:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


_CHECKS: tuple[Callable[[Schema], Iterator[str]], ...] = (
    _unknown_keywords,
    _type,
    _shape,
    _values,
    _extensions,
    _lists,
    _branches,
)
