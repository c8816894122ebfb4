"""Which fields of a template stand there by our hand: read from what the API server says of who wrote them."""

from __future__ import annotations

from typing import Any

import pytest

from breakwater.workloads.template import Fields, Path, declared, ours, patch, read_placed, without
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
    return read_placed(ours(manifest(spec, *entries)).get("placed", ()))


def test_what_we_applied_is_found_again_with_its_values() -> None:
    assert found(put_in(BARE, FIELDS), held(FIELDS)) == FIELDS


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (held(FIELDS, by="kubectl"), "it is somebody else's"),
        (held(FIELDS, operation="Apply"), "no patch of ours set it"),
        (held(FIELDS) | {"subresource": "scale"}, "it is not the object's own"),
        ({"manager": "breakwater/Restarts", "operation": "Update"}, "it says nothing"),
    ],
)
def test_what_others_wrote_is_not_taken_for_ours(entry: dict[str, Any], why: str) -> None:
    assert found(put_in(BARE, FIELDS), entry) == {}, why


def test_a_field_that_is_gone_is_not_held() -> None:
    assert found(BARE, held(FIELDS)) == {}


MAPS: tuple[Path, ...] = (
    ("securityContext", "seccompProfile"),
    CONTAINER,
    (*CONTAINER, "capabilities"),
)
NAMES: tuple[Path, ...] = (("containers", "other"), ("containers", "app"), ("initContainers", "first"))
APP = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
USER: Fields = {("securityContext", "runAsUser"): 10001}
ESCALATION: Fields = {(*CONTAINER, "allowPrivilegeEscalation"): False}
Change = tuple[Fields, Fields, tuple[Path, ...], dict[str, Any]]

CHANGES: dict[str, Change] = {
    "all is new, and containers stay in their order": (
        FIELDS,
        {},
        (),
        {
            "securityContext": {"runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "other"}, {"name": "app", "securityContext": APP}],
            "initContainers": [{"name": "first", "securityContext": {"allowPrivilegeEscalation": False}}],
        },
    ),
    "all stands": (FIELDS, FIELDS, MAPS, {}),
    "another value": (
        {**USER, ("securityContext", "fsGroup"): 7},
        {**USER, ("securityContext", "fsGroup"): 6},
        (),
        {
            "securityContext": {"fsGroup": 7},
        },
    ),
    "all goes, and maps that are ours go as a whole": (
        {},
        FIELDS,
        MAPS,
        {
            "securityContext": {"runAsUser": None, "seccompProfile": None},
            "containers": [{"name": "other"}, {"name": "app", "securityContext": None}],
            "initContainers": [{"name": "first", "securityContext": {"allowPrivilegeEscalation": None}}],
        },
    ),
    "a map in which a field stays does not go": (
        ESCALATION,
        {**ESCALATION, (*CONTAINER, "capabilities", "drop"): ("ALL",)},
        MAPS,
        {"containers": [{"name": "other"}, {"name": "app", "securityContext": {"capabilities": None}}]},
    ),
    "a map of others only loses our field": (
        {},
        ESCALATION,
        (),
        {
            "containers": [
                {"name": "other"},
                {"name": "app", "securityContext": {"allowPrivilegeEscalation": None}},
            ]
        },
    ),
}


@pytest.mark.parametrize("sentence", CHANGES)
def test_a_patch_sets_what_is_missing_and_takes_exactly_ours_away(sentence: str) -> None:
    fields, standing, whole, expected = CHANGES[sentence]
    assert patch(fields, standing, whole, NAMES) == expected


@pytest.mark.parametrize(("theirs", "whole"), [({}, [list(CONTAINER)]), ({"runAsGroup": 7}, [])])
def test_a_map_is_ours_while_nothing_of_others_stands_in_it(theirs: dict[str, Any], whole: list[list[str]]) -> None:
    spec = put_in(BARE, ESCALATION)
    spec["containers"][0]["securityContext"] |= theirs
    assert ours(manifest(spec, held(ESCALATION, maps=(CONTAINER,)))).get("whole") == whole


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
