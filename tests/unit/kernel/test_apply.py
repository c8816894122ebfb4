from __future__ import annotations

from typing import Any

import pytest

from breakwater.kernel.apply import differs, is_written_by_others, owned_data_keys, rivals

LABELS: dict[str, Any] = {"f:labels": {".": {}, "f:ours": {}}}


def _live(*managers: tuple[str, dict[str, Any]], **fields: Any) -> dict[str, Any]:
    entries = [{"manager": name, "operation": "Update", "fieldsV1": owned} for name, owned in managers]
    return {"metadata": {"labels": {"ours": "1", "theirs": "2"}, "managedFields": entries}, **fields}


def _data(*keys: str) -> dict[str, Any]:
    return {"f:data": {".": {}, **{f"f:{key}": {} for key in keys}}}


LIVE = _live(("breakwater", _data("a")), ("thief", _data("b") | {"f:metadata": LABELS}), data={"a": "1", "b": "2"})

RIVALS: dict[str, tuple[dict[str, Any], tuple[tuple[str, str], ...]]] = {
    "nothing changes": ({"data": {"a": "1", "b": "2"}}, ()),
    "our own field changes": ({"data": {"a": "x"}}, ()),
    "their field changes": ({"data": {"a": "1", "b": "x"}}, (("thief", ".data.b"),)),
    "their label changes": ({"metadata": {"labels": {"ours": "x"}}}, (("thief", ".metadata.labels.ours"),)),
    "their label is removed": ({"metadata": {"labels": {"ours": None}}}, (("thief", ".metadata.labels.ours"),)),
    "a label that is not there is removed": ({"metadata": {"labels": {"released": None}}}, ()),
    "a field that nobody owns is added": ({"data": {"c": "3"}}, ()),
    "no labels at all are wanted": ({"metadata": {"labels": {}}}, ()),
}


@pytest.mark.parametrize("sentence", RIVALS)
def test_from_whom_a_write_takes_fields(sentence: str) -> None:
    wanted, expected = RIVALS[sentence]
    assert rivals(LIVE, wanted) == expected


def test_ownership_of_data_is_told_apart_by_manager() -> None:
    assert owned_data_keys(LIVE) == {"a"}
    assert not is_written_by_others(LIVE, "a")
    assert is_written_by_others(LIVE, "b")
    assert not is_written_by_others(LIVE, "c")


WANTED = {"metadata": {"labels": {"ours": "1"}, "ownerReferences": [{"uid": "1", "name": "a"}]}, "data": {"a": "1"}}
OWNERS = [{"uid": "1", "name": "a", "controller": False}, {"uid": "2", "name": "other"}]


def _applied(**data: str) -> dict[str, Any]:
    fields = {"f:data": {f"f:{key}": {} for key in data}, "f:metadata": {"f:labels": {"f:ours": {}}}}
    entry = {"manager": "breakwater", "operation": "Apply", "fieldsV1": fields}
    metadata = {"labels": {"ours": "1", "theirs": "2"}, "ownerReferences": OWNERS, "managedFields": [entry]}
    return {"metadata": metadata, "data": data}


DIFFERENCES: dict[str, tuple[dict[str, Any], bool]] = {
    "as wanted, with fields and owners of others": (_applied(a="1"), False),
    "another value": (_applied(a="2"), True),
    "a value that is gone": ({**_applied(a="1"), "data": {}}, True),
    "a field of ours that is not wanted any more": (_applied(a="1", b="2"), True),
    "an owner that is gone": (
        {"metadata": {**_applied()["metadata"], "ownerReferences": OWNERS[1:]}, "data": {"a": "1"}},
        True,
    ),
}


@pytest.mark.parametrize("sentence", DIFFERENCES)
def test_whether_an_apply_would_change_anything(sentence: str) -> None:
    live, expected = DIFFERENCES[sentence]
    assert differs({"apiVersion": "v1", "kind": "ConfigMap", **WANTED}, live) is expected


def test_an_atomic_map_is_owned_by_its_own_path() -> None:
    wanted = {"metadata": {"name": "x"}, "spec": {"match": {"policy": "Exact", "selector": {}}}}
    fields = {"f:spec": {"f:match": {}}}
    managed = [{"manager": "breakwater", "operation": "Apply", "fieldsV1": fields}]
    live = {"metadata": {"name": "x", "managedFields": managed}, "spec": wanted["spec"]}
    assert not differs(wanted, live)
    fields["f:spec"]["f:other"] = {}
    assert differs(wanted, live), "a field of ours that is not wanted any more"
