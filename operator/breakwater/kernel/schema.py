"""From a model to the schema that a CustomResourceDefinition may hold."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue

from breakwater.kernel.durations import format_duration
from breakwater.kernel.model import Model
from breakwater.kernel.rules import RULES
from breakwater.kernel.structural import KEYWORDS

if TYPE_CHECKING:
    from pydantic_core import core_schema

_REFERENCE = "#/$defs/"


class SchemaError(ValueError):
    """A model that no structural schema can express."""


class StructuralSchema(GenerateJsonSchema):
    """Says in the API server's dialect what pydantic would say in JSON Schema 2020-12.

    Optional members are members that may be absent (never `anyOf` with null), and an empty default is not written:
    the API server stores defaults in every object, and absent says the same.
    """

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Absent, not null."""
        return self.generate_inner(schema["schema"])

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """`enum` even for a single value: `const` is not served."""
        generated = super().literal_schema(schema)
        if "const" in generated:
            generated["enum"] = [generated.pop("const")]
        return generated

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        """Open bounds as flags."""
        return _open_bounds_as_flags(super().int_schema(schema))

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        """Open bounds as flags."""
        return _open_bounds_as_flags(super().float_schema(schema))

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Only defaults with substance."""
        generated = self.generate_inner(schema["schema"])
        default = written_default(self.get_default_value(schema))
        return generated if default is None else {**generated, "default": default}

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Adds the rules that the model declares."""
        generated = super().model_schema(schema)
        model = schema["cls"]
        if issubclass(model, Model):
            if model.rules:
                generated[RULES] = [rule.schema() for rule in model.rules]
            if model.atomic:
                generated["x-kubernetes-map-type"] = "atomic"
        return generated

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # pydantic's signature
        """Titles repeat the names."""
        return False


def _open_bounds_as_flags(schema: JsonSchemaValue) -> JsonSchemaValue:
    bounds = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
    flags = {flag: True for flag in bounds if flag in schema}
    return {bounds.get(keyword, keyword): value for keyword, value in schema.items()} | flags


def written_default(default: Any) -> Any:
    """What the API server should write into stored objects for an absent field; None for nothing.

    An object's default is written out: the server judges it by the object's rules before it fills in the members' own.
    """
    if isinstance(default, Model):
        aliases = {name: field.alias or name for name, field in type(default).model_fields.items()}
        written = {aliases[name]: written_default(value) for name, value in default}
        return {name: value for name, value in written.items() if value is not None} or None
    if isinstance(default, timedelta):
        return format_duration(default)
    if isinstance(default, Enum):
        return default.value
    return default if isinstance(default, str | int) and default else None


def structural_schema(model: type[Model]) -> dict[str, Any]:
    """The schema of a model's YAML form, without references, titles or anything else the API server would refuse.

    Raises:
        SchemaError: the model contains itself, or something that has no structural form.
    """
    mode: JsonSchemaMode = "validation"
    generated = model.model_json_schema(by_alias=True, mode=mode, schema_generator=StructuralSchema)
    definitions = generated.pop("$defs", {})
    return _inline(generated, definitions, frozenset(), model.__name__)


def _inline(
    node: Mapping[str, Any], definitions: Mapping[str, Any], inside: AbstractSet[str], path: str
) -> dict[str, Any]:
    node = dict(node)
    if "$ref" in node:
        name = node.pop("$ref").removeprefix(_REFERENCE)
        if name in inside:
            raise SchemaError(f"{path}: {name} contains itself, a structural schema cannot; bound its depth")
        return _merge(_inline(definitions[name], definitions, {*inside, name}, path), node)
    for keyword, value in node.items():
        if keyword == "properties":
            node[keyword] = {key: _inline(value[key], definitions, inside, f"{path}.{key}") for key in value}
        elif keyword in ("items", "additionalProperties") and isinstance(value, Mapping):
            node[keyword] = _inline(value, definitions, inside, f"{path}[]")
    node.pop("title", None)
    if not node.get("properties", True):
        del node["properties"]  # as the server stores an object without members
    return _ordered(node, path)


def _merge(referred: dict[str, Any], beside: Mapping[str, Any]) -> dict[str, Any]:
    """What stands beside a reference says more about this one use; rules of both hold."""
    merged = {**referred, **beside}
    if RULES in referred and RULES in beside:
        merged[RULES] = [*referred[RULES], *beside[RULES]]
    return {keyword: merged[keyword] for keyword in KEYWORDS if keyword in merged}


def _ordered(node: Mapping[str, Any], path: str) -> dict[str, Any]:
    unknown = node.keys() - set(KEYWORDS)
    if unknown:
        raise SchemaError(f"{path}: the API server does not know {', '.join(sorted(unknown))}")
    return {keyword: node[keyword] for keyword in KEYWORDS if keyword in node}
