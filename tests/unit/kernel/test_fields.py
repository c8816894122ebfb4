from collections.abc import Mapping
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from breakwater.kernel.fields import (
    DnsName,
    DnsPattern,
    Flag,
    Host,
    Instant,
    LabelSelector,
    LocalRef,
    ObjectName,
    Port,
    SelectorOperator,
    is_dns_name,
    is_ip_address,
)
from breakwater.kernel.model import InvalidModelError

GOOD_AND_BAD: list[tuple[Any, list[Any], list[Any]]] = [
    (
        DnsName,
        ["db", "db.bpm.svc", "3scale.example.com", "a" * 63 + ".svc"],
        ["", "DB.svc", "*.svc", "db.", ".db", "a..b", "-a", "a-", "1.2.3.4", "a_b", "a" * 64, "db\n", "dä.de"],
    ),
    (
        DnsPattern,
        ["db", "*.example.com", "*.a.b.c"],
        ["*", "*.com", "a.*.com", "*a.example.com", "**.example.com", "*.example.com."],
    ),
    (ObjectName, ["a", "0", "a.b-c.d"], ["A", "a_b", "a..b", "", "a.", "a" * 254]),
    (
        Host,
        ["127.0.0.1", "::1", "2001:db8::1", "db.bpm.svc"],
        ["https://a", "a:1", "[::1]", "fe80::1%lo", "::ffff:10.0.0.1", "256.1.1.1", "01.2.3.4", "", "a/b", "user@a"],
    ),
    (Port, [1, 65535], [0, 65536, "443", True, 443.0]),
    (Flag, [True, False], ["true", 1, 0, "yes"]),
    (Instant, ["2027-01-31T09:30:00Z", "2027-01-31T09:30:00+02:00"], ["2027-01-31", "2027-01-31T09:30:00", "soon", 5]),
]
GOOD = [(field, value) for field, values, _ in GOOD_AND_BAD for value in values]
BAD = [(field, value) for field, _, values in GOOD_AND_BAD for value in values]


@pytest.mark.parametrize(("field", "value"), GOOD)
def test_a_well_formed_value_is_taken(field: Any, value: Any) -> None:
    TypeAdapter(field).validate_python(value)


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_malformed_value_is_refused(field: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(field).validate_python(value)


@given(st.text(max_size=60))
def test_no_text_is_both_a_name_and_an_address(text: str) -> None:
    assert not (is_dns_name(text) and is_ip_address(text))


@given(st.ip_addresses(v=4).map(str))
def test_every_ipv4_address_is_a_host_and_no_dns_name(text: str) -> None:
    assert is_ip_address(text)
    assert not is_dns_name(text)


def test_times_are_written_as_the_api_writes_them() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[Instant, None])
    assert adapter.dump_json(adapter.validate_python("2027-01-31T11:30:00.5+02:00")) == b'"2027-01-31T09:30:00Z"'


LABELS = {"app": "bpm", "tier": "web"}
SELECTIONS: list[tuple[str, Mapping[str, Any], bool]] = [
    ("empty selects all", {}, True),
    ("all labels match", {"matchLabels": {"app": "bpm", "tier": "web"}}, True),
    ("one label differs", {"matchLabels": {"app": "bpm", "tier": "db"}}, False),
    ("a label is missing", {"matchLabels": {"team": "a"}}, False),
    ("in", {"matchExpressions": [{"key": "app", "operator": "In", "values": ["bi", "bpm"]}]}, True),
    ("not in these", {"matchExpressions": [{"key": "app", "operator": "In", "values": ["bi"]}]}, False),
    ("in with the key missing", {"matchExpressions": [{"key": "team", "operator": "In", "values": ["a"]}]}, False),
    ("outside", {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["bi"]}]}, True),
    ("not outside", {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["bpm"]}]}, False),
    ("a missing key is outside", {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}, True),
    ("exists", {"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
    ("exists not", {"matchExpressions": [{"key": "team", "operator": "Exists"}]}, False),
    ("absent", {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, True),
    ("not absent", {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    (
        "labels match and an expression does not",
        {"matchLabels": {"app": "bpm"}, "matchExpressions": [{"key": "team", "operator": "Exists"}]},
        False,
    ),
]


@pytest.mark.parametrize(("name", "selector", "selected"), SELECTIONS, ids=[name for name, *_ in SELECTIONS])
def test_a_selector_selects_as_kubernetes_does(name: str, selector: Mapping[str, Any], selected: bool) -> None:
    assert LabelSelector.read_strictly(selector).matches(LABELS) is selected


@pytest.mark.parametrize("operator", SelectorOperator)
def test_values_stand_exactly_with_the_operators_that_compare(operator: SelectorOperator) -> None:
    with_values = operator in (SelectorOperator.IN, SelectorOperator.NOT_IN)
    requirement = {"key": "app", "operator": operator.value} | ({} if with_values else {"values": ["a"]})
    with pytest.raises(InvalidModelError, match="values are needed with operator In and NotIn"):
        LabelSelector.read({"matchExpressions": [requirement]})


def test_a_reference_needs_its_name() -> None:
    with pytest.raises(InvalidModelError, match=r"spec\.secretRef\.name: is required"):
        LocalRef.read({}, "spec.secretRef")
