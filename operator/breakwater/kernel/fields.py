"""The types that fields of all kinds are made of. Each knows its bound, its remedy and its form in the schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from breakwater.kernel import durations
from breakwater.kernel.model import Model
from breakwater.kernel.rules import RULES, Entries, Format, Items, Rule, raw, refused
from breakwater.kernel.time import from_rfc3339, to_rfc3339

_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_LAST = "[a-z]([-a-z0-9]{0,61}[a-z0-9])?"
_DNS_NAME = rf"^({_LABEL}\.)*{_LAST}$"
_PREFIXED_NAME = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"

Flag = Annotated[bool, Strict()]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
Generation = Annotated[int, Strict(), Field(ge=0, le=2**53)]
"""A count that a machine keeps; bounded by what every JSON reader can hold."""

Label = Annotated[
    str,
    Format(
        rf"^{_LABEL}$", 63, "must be lower-case letters, digits and '-', beginning and ending with a letter or digit"
    ),
]
ObjectName = Annotated[
    str,
    Format(
        rf"^{_LABEL}(\.{_LABEL})*$",
        253,
        "must be the name of an object: lower-case letters, digits, '-' and '.', with a letter or digit at both ends",
    ),
]
DnsName = Annotated[
    str,
    Format(_DNS_NAME, 253, "must be a DNS name in lower case such as db.example.com, without wildcard or trailing dot"),
]
DnsPattern = Annotated[
    str,
    Format(
        rf"^(\*\.({_LABEL}\.)+|({_LABEL}\.)*){_LAST}$",
        253,
        "must be a DNS name in lower case; a wildcard is the whole first label, two labels behind it: *.example.com",
    ),
]
SECRET_KEY = Format(
    r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$",
    253,
    "must be a key of a Secret: letters, digits, '-', '_' and '.', without two dots at the beginning",
)
SecretKey = Annotated[str, SECRET_KEY]
Fingerprint = Annotated[str, Field(max_length=128)]
Word = Annotated[str, Field(max_length=253)]
"""A bounded string that the operator writes into status: no pattern, since what it writes must never be refused."""
Sentence = Annotated[str, Field(max_length=32768)]


def is_ip_address(text: str) -> bool:
    """What CEL's `isIP` accepts: no zone, no IPv4 address mapped into IPv6."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return "%" not in text and getattr(address, "ipv4_mapped", None) is None


_DNS_FORMAT = Format(_DNS_NAME, 253, "")


def is_dns_name(text: str) -> bool:
    """Whether it is a DNS name in lower case whose last label starts with a letter."""
    try:
        return bool(_DNS_FORMAT.check(text))
    except ValueError:
        return False


Host = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Rule(
        cel=f"isIP(self) || self.matches({raw(_DNS_NAME)})",
        message="must be a DNS name in lower case such as db.bpm.svc, or an IP address; without scheme, port or path",
        holds=lambda text: is_ip_address(text) or is_dns_name(text),
    ),
]


@dataclass(frozen=True, slots=True)
class Between:
    """Makes a timedelta a field: a duration in our notation, within bounds that are given in it too."""

    shortest: str
    longest: str

    def check(self, value: object) -> timedelta:
        """Read text; a timedelta comes from code and is taken as it is."""
        duration = value if isinstance(value, timedelta) else self._parse(value)
        if not durations.parse_duration(self.shortest) <= duration <= durations.parse_duration(self.longest):
            raise refused(self._bounds())
        return duration

    def _parse(self, value: object) -> timedelta:
        try:
            return durations.parse_duration(value if isinstance(value, str) else "")
        except ValueError as error:
            raise refused(str(error)) from None

    def _bounds(self) -> str:
        return f"must be between {self.shortest} and {self.longest}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(durations.format_duration, when_used="json")
        return core_schema.no_info_plain_validator_function(self.check, serialization=written)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        notation = f"self.matches({raw(durations.PATTERN)})"
        bounds = f"duration(self) >= duration('{self.shortest}') && duration(self) <= duration('{self.longest}')"
        rules = Rule(notation, durations.REMEDY, None), Rule(f"!{notation} || ({bounds})", self._bounds(), None)
        lengths = {"minLength": 2, "maxLength": durations.MAX_LENGTH}
        return {"type": "string", **lengths, "pattern": durations.PATTERN, RULES: [rule.schema() for rule in rules]}


def cel_no_longer(one: str, other: str) -> str:
    """Whether one duration is at most another, in a rule of their parent. Its own rule refuses a malformed one."""
    readable = " && ".join(f"self.{path}.matches({raw(durations.PATTERN)})" for path in (one, other))
    return f"!({readable}) || duration(self.{one}) <= duration(self.{other})"


class _Rfc3339:
    """Makes a datetime a field in the form of metav1.Time."""

    def check(self, value: object) -> datetime:
        instant = value if isinstance(value, datetime) else from_rfc3339(value if isinstance(value, str) else None)
        if instant is None or instant.tzinfo is None:
            raise refused("must be a time such as 2027-01-31T09:30:00Z")
        return instant

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(to_rfc3339, when_used="json")
        return core_schema.no_info_plain_validator_function(self.check, serialization=written)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "date-time"}


Instant = Annotated[datetime, _Rfc3339()]


class LocalRef(Model):
    """An object by its name; its kind and namespace follow from the field."""

    atomic = True

    name: ObjectName
    """Name of the object."""


class DeletionPolicy(StrEnum):
    """What happens to key material when the resource that asked for it is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class SelectorOperator(StrEnum):
    """How a label is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


_WITH_VALUES = (SelectorOperator.IN, SelectorOperator.NOT_IN)

LABEL_KEY = Format(_PREFIXED_NAME, 317, "must be a label's key such as app or app.kubernetes.io/name")
LabelKey = Annotated[str, LABEL_KEY]
LabelValue = Annotated[
    str,
    Format(
        r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$",
        63,
        "must be a label's value: up to 63 letters, digits, '-', '_' and '.'",
        min_length=0,
    ),
]


class SelectorRequirement(Model):
    """One comparison of a label."""

    rules = (
        Rule(
            cel="(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            message="values are needed with operator In and NotIn, and may not be given with Exists and DoesNotExist",
            holds=lambda self: (self.operator in _WITH_VALUES) == bool(self.values),
            field=".values",
        ),
    )

    key: LabelKey
    """Key of the label."""
    operator: SelectorOperator
    """In and NotIn compare with `values`; Exists and DoesNotExist look at the key alone."""
    values: Annotated[tuple[LabelValue, ...], Items(16, unique=True)] = ()
    """What In and NotIn compare with."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it. As in Kubernetes, NotIn also holds where the key is missing."""
        if self.operator is SelectorOperator.EXISTS:
            return self.key in labels
        if self.operator is SelectorOperator.DOES_NOT_EXIST:
            return self.key not in labels
        return (labels.get(self.key) in self.values) == (self.operator is SelectorOperator.IN)


class LabelSelector(Model):
    """A label selector in the form of Kubernetes: all of it must match; empty selects everything, absent nothing."""

    atomic = True

    match_labels: Annotated[dict[str, LabelValue], Entries(16, LABEL_KEY)] = Field(default_factory=dict)
    """Labels that must be there with exactly these values."""
    match_expressions: Annotated[tuple[SelectorRequirement, ...], Items(16)] = ()
    """Further comparisons."""

    def __hash__(self) -> int:
        return hash((tuple(sorted(self.match_labels.items())), self.match_expressions))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        exact = all(labels.get(key) == value for key, value in self.match_labels.items())
        return exact and all(requirement.matches(labels) for requirement in self.match_expressions)
