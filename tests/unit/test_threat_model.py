"""The threat model's every line names a test that exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "deploy" / "SECURITY.md"
HEADER = "| threat | what holds it | test |"


class Line(NamedTuple):
    """A threat, and what is said of it."""

    threat: str
    holds: str
    test: str


def _lines() -> list[Line]:
    """The rows of every table of threats."""
    found: list[Line] = []
    inside = False
    for text in MODEL.read_text().splitlines():
        inside = text == HEADER or (inside and text.startswith("|"))
        if inside and text != HEADER and not text.startswith("| ---"):
            found.append(Line(*(cell.strip() for cell in text.strip("|").split(" | "))))
    return found


LINES = _lines()


@cache
def _tests(file: str) -> frozenset[str]:
    path = ROOT / file
    tree = ast.parse(path.read_text()) if path.is_file() else ast.Module([], [])
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions)


@pytest.mark.parametrize("line", LINES, ids=[line.threat for line in LINES])
def test_a_threat_names_what_holds_it_and_a_test_that_exists(line: Line) -> None:
    assert line.threat
    assert line.holds
    named = re.fullmatch(r"`(tests/\S+\.py)::(test_\w+)`", line.test)
    assert named, f"{line.test}: write it as `tests/.../test_file.py::test_name`"
    file, name = named.groups()
    assert name in _tests(file), f"{line.test} does not exist"


def test_every_actor_is_there() -> None:
    headings = re.findall(r"^## (.+)$", MODEL.read_text(), re.MULTILINE)
    tables = MODEL.read_text().count(HEADER)
    assert tables == 6
    assert len(LINES) >= 40
    assert headings[-1] == "What is not held"


def test_the_two_documents_lead_to_each_other() -> None:
    assert "(../SECURITY.md)" in MODEL.read_text()
    assert "(deploy/SECURITY.md)" in (ROOT / "SECURITY.md").read_text()
