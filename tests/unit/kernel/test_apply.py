"""Whether an apply would change anything."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from breakwater.kernel.apply import differs, is_written_by_others, owned_data_keys, rivals

WANTED: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {
        "name": "trust",
        "labels": {"app.kubernetes.io/managed-by": "breakwater"},
        "ownerReferences": [{"kind": "CertificateAuthority", "name": "platform", "uid": "u"}],
    },
    "data": {"ca.crt": "PEM"},
}
OWNED = {
    "f:metadata": {
        "f:labels": {"f:app.kubernetes.io/managed-by": {}},
        "f:ownerReferences": {'k:{"uid":"u"}': {}},
    },
    "f:data": {"f:ca.crt": {}},
}


def live(**changes: Any) -> dict[str, Any]:
    """The object as the server lists it (without kind) after our apply, then changed by others."""
    item = {key: copy.deepcopy(value) for key, value in WANTED.items() if key not in ("apiVersion", "kind")}
    item["metadata"] |= {
        "uid": "x",
        "resourceVersion": "7",
        "managedFields": [{"manager": "breakwater", "operation": "Apply", "fieldsV1": OWNED}],
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = item
        for parent in parents:
            place = place[parent]
        place[last] = value
    return item


def owning(path: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"manager": "breakwater", "operation": "Apply", "fieldsV1": OWNED | path}]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (live(), False),
        (live(metadata__labels={"app.kubernetes.io/managed-by": "breakwater", "team": "a"}), False),
        (live(data={"ca.crt": "PEM", "extra": "of others"}), False),
        (live(data={"ca.crt": "OTHER"}), True),
        (live(data={}), True),
        (live(metadata__labels={}), True),
        (live(metadata__ownerReferences=[]), True),
        (live(metadata__managedFields=owning({"f:data": {"f:ca.crt": {}, "f:old": {}}})), True),
    ],
    ids=[
        "nothing changed",
        "a label of others stays",
        "a data key of others stays",
        "changed data",
        "removed data",
        "removed label",
        "removed owner",
        "a field of ours that is not wanted any more",
    ],
)
def test_only_a_difference_in_fields_of_ours_counts(found: dict[str, Any], expected: bool) -> None:
    assert differs(WANTED, found) is expected


def test_data_keys_of_ours_are_read_from_managed_fields() -> None:
    fields = [
        {"manager": "breakwater", "fieldsV1": {"f:data": {".": {}, "f:tls.crt": {}, "f:tls.key": {}}}},
        {"manager": "kubectl-edit", "fieldsV1": {"f:data": {"f:note": {}}}},
    ]
    secret = {"metadata": {"managedFields": fields}}
    assert owned_data_keys(secret) == {"tls.crt", "tls.key"}
    assert is_written_by_others(secret, "note")
    assert not is_written_by_others(secret, "tls.crt")


def test_a_rival_is_named_with_the_field_that_a_write_would_take_from_it() -> None:
    fields = [
        {"manager": "breakwater", "fieldsV1": {"f:data": {"f:tls.crt": {}}}},
        {"manager": "kubectl-edit", "fieldsV1": {"f:data": {"f:tls.crt": {}, "f:note": {}}}},
    ]
    secret = {"metadata": {"managedFields": fields}, "data": {"tls.crt": "theirs", "note": "x"}}
    assert rivals(secret, {"data": {"tls.crt": "ours"}}) == (("kubectl-edit", ".data.tls.crt"),)
    assert rivals(secret, {"data": {"tls.crt": "theirs"}}) == ()
