"""The base of everything a user may write or the operator reports in a resource."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from breakwater.kernel.rules import Rule, check_all

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this kind",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "tuple_type": "must be a list",
    "dict_type": "must be a map",
}


class Problem(NamedTuple):
    """One mistake: where it is, as a manifest's path, and what to do about it."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class InvalidModelError(ValueError):
    """Input that does not fit its model. Its text holds paths and remedies, never a value that was given."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class Model(BaseModel):
    """A part of a resource: immutable, camelCase outside, each attribute documented and bounded.

    The text below an attribute becomes its description in the CRD.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    atomic: ClassVar[bool] = False
    """Whether server-side apply treats the object as one value; true for references and selectors."""

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, data: Any) -> Any:
        """The API server prunes a null of a field that is not nullable, before it sets defaults."""
        if isinstance(data, Mapping):
            return {name: value for name, value in data.items() if value is not None}
        return data

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        check_all(self.rules, self)
        return self

    @classmethod
    def read(cls, data: Any, path: str = "spec") -> Self:
        """Read what the cluster holds. Fields that this version does not know are ignored: upgrades may be rolled back.

        Raises:
            InvalidModelError: with `path` before every field's own.
        """
        return cls._parse(data, path, "ignore")

    @classmethod
    def read_strictly(cls, data: Any, path: str = "spec") -> Self:
        """Read what a person wrote: a field that does not exist is a mistake.

        Raises:
            InvalidModelError: with `path` before every field's own.
        """
        return cls._parse(data, path, "forbid")

    @classmethod
    def _parse(cls, data: Any, path: str, extra: Any) -> Self:
        try:
            return cls.model_validate(data, extra=extra, by_alias=True, by_name=False)
        except ValidationError as error:
            problems = tuple(_problems(error, path))
        raise InvalidModelError(problems)  # out here, without pydantic's error as its context: that keeps the input

    def manifest(self) -> dict[str, Any]:
        """As it is written in YAML: camelCase, JSON values, without members that are absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _problems(error: ValidationError, path: str) -> list[Problem]:
    problems: list[Problem] = []
    for item in error.errors(include_url=False, include_input=False):
        place = path + "".join(map(_step, item["loc"]))
        broken = item.get("ctx", {}).get("broken") or [("", _WORDS.get(item["type"], item["msg"]))]
        problems += [Problem(place + field, message) for field, message in broken]
    return problems


def _step(step: str | int) -> str:
    """A member or an item in a path. A map's keys are a user's own text: quoted where they are no plain word."""
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN.fullmatch(step) else f"[{json.dumps(step[:64])}]"
