"""Whose object is it: nothing is adopted by its name."""

from __future__ import annotations

from typing import Any

import pytest

from breakwater.cluster.inventory import Inventory, Stream
from breakwater.kernel.ownership import Free, Ours, Taken, claim, mark_of
from breakwater.kernel.reading import Unknown
from breakwater.kernel.references import SECRET, Ref, Subject
from breakwater.kernel.settings import Settings
from breakwater.kernel.world import World

ME = Subject("CommunicationChannel", "bpm", "web")
REF = Ref(SECRET, "bpm", "web-tls")
OURS = {"app.kubernetes.io/managed-by": "breakwater"}
MINE = {"breakwater.dev/subject": str(ME)}
THEIRS = {"breakwater.dev/subject": "CommunicationChannel/bpm/other"}
WROTE = [{"manager": "breakwater", "operation": "Update"}]
OTHER_WROTE = [{"manager": "kubectl", "operation": "Update"}]


def secret(
    labels: dict[str, str], annotations: dict[str, str], fields: list[dict[str, Any]], **rest: Any
) -> dict[str, Any]:
    metadata = {"name": "web-tls", "namespace": "bpm", "uid": "u", "resourceVersion": "5"}
    return {"metadata": metadata | {"labels": labels, "annotations": annotations, "managedFields": fields}} | rest


CASES = [
    ("ours", secret(OURS, MINE, WROTE), Ours),
    ("our label was removed: drift, still ours", secret({}, MINE, WROTE), Ours),
    ("our annotation was removed: drift, still ours", secret(OURS, {}, WROTE), Ours),
    ("a copy from a backup, with all our marks", secret(OURS, MINE, OTHER_WROTE), Ours),
    ("a label alone can be put on anything", secret(OURS, {}, OTHER_WROTE), Taken),
    ("an annotation alone as well", secret({}, MINE, OTHER_WROTE), Taken),
    ("a copy of another declaration's", secret(OURS, THEIRS, OTHER_WROTE), Taken),
    ("of another declaration of ours", secret(OURS, THEIRS, WROTE), Taken),
    ("of others", secret({}, {}, OTHER_WROTE), Taken),
    ("we only touched it once", secret({}, {}, WROTE), Taken),
]


@pytest.mark.parametrize(("found", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_name_is_claimed_by_marks_and_manager(found: dict[str, Any], expected: type) -> None:
    inventory = synced()
    inventory.put(SECRET, found)
    assert isinstance(claim(World(inventory, ME), REF, ME), expected)


def synced() -> Inventory:
    inventory = Inventory(Settings(), whole=(), split=(SECRET,), indexes=())
    inventory.listed(SECRET, "", [], 1)
    inventory.listed(SECRET, "", [], 1, Stream.METADATA)
    return inventory


def test_a_free_name_is_known_to_be_free() -> None:
    assert isinstance(claim(World(synced(), ME), REF, ME), Free)


def test_before_the_first_list_nobody_can_tell() -> None:
    inventory = Inventory(Settings(), whole=(), split=(SECRET,), indexes=())
    assert isinstance(claim(World(inventory, ME), REF, ME), Unknown)


def test_the_message_names_the_other_declaration() -> None:
    inventory = synced()
    inventory.put(SECRET, secret(OURS, THEIRS, WROTE))
    found = claim(World(inventory, ME), REF, ME)
    assert isinstance(found, Taken)
    assert found.by == "CommunicationChannel/bpm/other"


def test_a_foreign_secret_is_recognised_without_reading_its_data() -> None:
    inventory = synced()
    wanted: list[Ref] = []
    inventory.listener.wanted = wanted.append  # type: ignore[method-assign]
    inventory.put(SECRET, secret({}, {}, OTHER_WROTE), Stream.METADATA)
    assert isinstance(claim(World(inventory, ME), REF, ME), Taken)
    assert wanted == []


@pytest.mark.parametrize("text", ["", "x", "a/", "/b", "a/b/c/d", "//", "a//c"])
def test_a_subject_annotation_of_nonsense_is_none(text: str) -> None:
    assert Subject.parse(text) is None
    mark = mark_of(secret(OURS, {"breakwater.dev/subject": text}, WROTE))
    assert mark is not None
    assert mark.subject is None
