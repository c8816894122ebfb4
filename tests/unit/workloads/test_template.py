"""Which fields of a template stand there by our hand: read from what the API server says of who wrote them."""

from __future__ import annotations

from typing import Any

import pytest

from breakwater.workloads.template import Fields, declared, nested, placed, read_placed, without
from tests.unit.workloads.rolling import held, put_in

CONTAINER = ("containers", "app", "securityContext")
FIELDS: Fields = {
    ("securityContext", "runAsUser"): 10001,
    ("securityContext", "seccompProfile", "type"): "RuntimeDefault",
    (*CONTAINER, "allowPrivilegeEscalation"): False,
    (*CONTAINER, "capabilities", "drop"): ("ALL",),
    ("initContainers", "first", "securityContext", "allowPrivilegeEscalation"): False,
}
BARE: dict[str, Any] = {
    "containers": [{"name": "app", "image": "a"}, {"name": "beside"}],
    "initContainers": [{"name": "first"}],
}


def manifest(spec: dict[str, Any], *entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"managedFields": list(entries)}, "spec": {"template": {"spec": spec}}}


def found(spec: dict[str, Any], *entries: dict[str, Any]) -> Fields:
    return read_placed(placed(manifest(spec, *entries)))


def test_what_we_applied_is_found_again_with_its_values() -> None:
    assert found(put_in(BARE, FIELDS), held(FIELDS)) == FIELDS


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (held(FIELDS, by="kubectl"), "it is somebody else's"),
        (held(FIELDS, operation="Update"), "no apply of ours can take it back"),
        (held(FIELDS) | {"subresource": "scale"}, "it is not the object's own"),
        ({"manager": "breakwater/Restarts", "operation": "Apply"}, "it says nothing"),
    ],
)
def test_what_others_wrote_is_not_taken_for_ours(entry: dict[str, Any], why: str) -> None:
    assert found(put_in(BARE, FIELDS), entry) == {}, why


def test_a_field_that_is_gone_is_not_held() -> None:
    assert found(BARE, held(FIELDS)) == {}


def test_an_apply_holds_each_container_once_and_nothing_else() -> None:
    assert nested(FIELDS) == {
        "securityContext": {"runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "app",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
        "initContainers": [{"name": "first", "securityContext": {"allowPrivilegeEscalation": False}}],
    }


def test_without_our_fields_a_template_declares_what_it_did_before() -> None:
    own = {"securityContext": {"runAsGroup": 7}, "os": {"name": "linux"}}
    before = BARE | own
    assert without(declared(put_in(before, FIELDS)), FIELDS) == declared(before)


def test_only_what_decides_on_defaults_is_kept_of_a_template() -> None:
    spec = BARE | {"nodeSelector": {"a": "b"}, "securityContext": {}}
    assert declared(spec) == {
        "containers": [{"name": "app"}, {"name": "beside"}],
        "initContainers": [{"name": "first"}],
    }
