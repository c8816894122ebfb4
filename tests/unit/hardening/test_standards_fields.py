"""Every field that an expression names is known to API servers from 1.30 on: any other is a type error there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
import yaml

from breakwater.hardening.standards import NEWEST, Level, Version, checks
from tests.controlplane.modules import module_files, staging_version
from tests.standards.policies import match_conditions

CORE = "io.k8s.api.core.v1"
ROOTS = {
    "object.spec": (f"{CORE}.PodSpec",),
    "oldObject.spec": (f"{CORE}.PodSpec",),
    "object.metadata": ("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",),
    "container": (f"{CORE}.Container", f"{CORE}.EphemeralContainer"),
    "port": (f"{CORE}.ContainerPort",),
    "volume": (f"{CORE}.Volume",),
    "sysctl": (f"{CORE}.Sysctl",),
}
"""Types of what the expressions name; every path must be good for each of them."""

_PATH = re.compile(r"(?<![\w.)])(?P<root>(?:object|oldObject)\.\w+|[a-z]\w*)(?P<steps>(?:\.\??\w+\b(?!\())+)")
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'")


@cache
def types(version: str) -> dict[str, dict[str, Any]]:
    """Fields by type, of the schema that the Go client of a release carries for server-side apply."""
    files = dict(module_files("k8s.io/client-go", version, "applyconfigurations/internal"))
    _, schema, _ = files["internal.go"].decode().split("`")
    listed = yaml.load(schema, yaml.CSafeLoader)["types"]
    return {item["name"]: {f["name"]: f["type"] for f in item.get("map", {}).get("fields", ())} for item in listed}


def paths() -> Iterator[tuple[str, str]]:
    """Every (root, dotted path below it) in any expression of any level and version."""
    standards = [(level, Version(minor)) for level in Level for minor in range(NEWEST.minor + 1)]
    texts = {check.cel for standard in standards for check in checks(*standard)}
    for text in {*texts, *(item["expression"] for item in match_conditions())}:
        for match in _PATH.finditer(_TEXT.sub("''", text)):
            yield match["root"], match["steps"].replace("?", "").strip(".")


def lacking(schema: Mapping[str, Mapping[str, Any]], name: str, path: str) -> bool:
    step, _, rest = path.partition(".")
    if step not in schema[name]:
        return True
    return bool(rest) and lacking(schema, schema[name][step]["namedType"], rest)


@pytest.mark.parametrize("version", ["v0.30.0", staging_version()])
def test_every_field_in_an_expression_is_known(version: str) -> None:
    schema = types(version)
    named = set(paths())
    unknown = {f"{name}: {path}" for root, path in named for name in ROOTS[root] if lacking(schema, name, path)}
    assert unknown == set()
    assert {root for root, _ in named} == set(ROOTS)
    assert len(named) > 40
