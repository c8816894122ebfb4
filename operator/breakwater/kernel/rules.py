"""What a field must meet, said once: in CEL for the API server, in Python for files that no server has seen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

RULES = "x-kubernetes-validations"


def refused(message: str, broken: Sequence[tuple[str, str]] = ()) -> PydanticCustomError:
    """An error in our words. `broken` holds (path below the value, message) where one value breaks several rules."""
    return PydanticCustomError("rule", "{message}", {"message": message, "broken": tuple(broken)})


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on one value: on a model in its `rules`, on a single field inside `Annotated`.

    Attributes:
        cel: the condition for the API server; `self` is the value.
        message: names the remedy; the field's own path stands before it in what users see.
        holds: the same condition in Python; None for transitions, which only the server can judge.
        field: JSONPath of the member to blame, such as `.maximum`; empty blames the value itself.
        reason: FieldValueInvalid, FieldValueForbidden or FieldValueRequired. With FieldValueDuplicate the API server
            drops the message.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool] | None
    field: str = ""
    reason: str = "FieldValueInvalid"

    def schema(self) -> JsonSchemaValue:
        """One item of `x-kubernetes-validations`."""
        item = {"rule": self.cel, "message": self.message, "reason": self.reason}
        return {**item, "fieldPath": self.field} if self.field else item

    def check(self, value: Any) -> Any:
        """Return the value, or raise with the rule's message."""
        if self.holds is not None and not self.holds(value):
            raise refused(self.message, [(self.field, self.message)])
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        return {**schema, RULES: [*schema.get(RULES, []), self.schema()]}


def check_all(rules: Sequence[Rule], value: Any) -> None:
    """Raise one error that names every broken rule, so that a user mends them in one go."""
    broken = [(rule.field, rule.message) for rule in rules if rule.holds is not None and not rule.holds(value)]
    if broken:
        raise refused("; ".join(message for _, message in broken), broken)


def exactly_one(*members: str) -> Rule:
    """Exactly one of these optional members (Python names) is set."""
    names = [to_camel(member) for member in members]
    present = ", ".join(f"has(self.{name})" for name in names)
    return Rule(
        cel=f"[{present}].exists_one(given, given)",
        message=f"set exactly one of {', '.join(names[:-1])} and {names[-1]}",
        holds=lambda model: sum(getattr(model, member) is not None for member in members) == 1,
    )


def optional_text(path: str) -> str:
    """A string member in CEL, empty where it or a parent is absent.

    Spelled out, since the API server prices the shorter `self.?a.?b.orValue('')` as if the string had no bound.
    """
    steps = path.split(".")
    members = ["self." + ".".join(steps[: depth + 1]) for depth in range(len(steps))]
    return f"({' && '.join(f'has({member})' for member in members)} ? {members[-1]} : '')"


def raw(pattern: str) -> str:
    """A regular expression as a CEL literal."""
    if "'" in pattern:
        raise ValueError(f"a quote in {pattern}: CEL would end the literal there")
    return f"r'{pattern}'"


@dataclass(frozen=True, slots=True)
class Format:
    """A bounded string in a notation of its own.

    `pattern` must mean the same in RE2 (the API server) and Python: no look-around, no back-references. It is emitted
    too, for editors and linters that read schemas but not CEL; the rule beside it carries the words for people.
    """

    pattern: str
    max_length: int
    remedy: str
    min_length: int = 1

    def check(self, value: str) -> str:
        """Return the value, or raise with the remedy."""
        if not self.min_length <= len(value) <= self.max_length or not re.fullmatch(self.pattern, value):
            raise refused(self.remedy)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        rule = Rule(f"self.matches({raw(self.pattern)})", self.remedy, None)
        lengths = {"minLength": self.min_length, "maxLength": self.max_length}
        return {**handler(core), **lengths, "pattern": self.pattern, RULES: [rule.schema()]}


@dataclass(frozen=True, slots=True)
class Entries:
    """Bounds of a map and the notation of its keys, which no keyword of a CRD's schema can express."""

    at_most: int
    keys: Format

    def check(self, entries: dict[str, Any]) -> dict[str, Any]:
        """Return the map, or raise for its size or one of its keys."""
        if len(entries) > self.at_most:
            raise refused(f"must have at most {self.at_most} entries")
        for key in entries:
            self.keys.check(key)
        return entries

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        keys = f"size(key) <= {self.keys.max_length} && key.matches({raw(self.keys.pattern)})"
        rule = Rule(f"self.all(key, {keys})", f"every key {self.keys.remedy}", None)
        return {**handler(core), "maxProperties": self.at_most, RULES: [rule.schema()]}


@dataclass(frozen=True, slots=True)
class Items:
    """Bounds and identity of a list: `keys` make it a list-map, `unique` a set, neither leaves it atomic.

    Field managers share list-maps item by item under server-side apply; atomic lists belong to one of them whole.
    """

    at_most: int
    keys: tuple[str, ...] = ()
    unique: bool = False
    at_least: int = 0

    def check(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the list, or raise for its length or a repeated item."""
        if not self.at_least <= len(items) <= self.at_most:
            raise refused(f"must have between {self.at_least} and {self.at_most} items")
        identities = [self._identity(item) for item in items] if self.keys or self.unique else []
        if len(set(identities)) < len(identities):
            raise refused(f"two items have the same {' and '.join(self.keys) or 'value'}")
        return items

    def _identity(self, item: Any) -> Any:
        return tuple(getattr(item, key) for key in self.keys) if self.keys else item

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema: JsonSchemaValue = {**handler(core), "maxItems": self.at_most}
        if self.at_least:
            schema["minItems"] = self.at_least
        if self.keys:
            schema["x-kubernetes-list-type"] = "map"
            schema["x-kubernetes-list-map-keys"] = list(self.keys)
        else:
            schema["x-kubernetes-list-type"] = "set" if self.unique else "atomic"
        return schema
