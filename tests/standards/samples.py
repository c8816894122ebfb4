"""The sample pods of k8s.io/pod-security-admission: for each level and version some that pass and some that fail."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from breakwater.hardening.standards import Level, Version, checks, parse_version
from tests.controlplane.modules import module_files, staging_version

MODULE = "k8s.io/pod-security-admission"
_PLACE = re.compile(r"(?P<level>\w+)/(?P<version>v1\.\d+)/(?P<verdict>pass|fail)/(?P<name>\w+)\.yaml")

# a sample of a Baseline check that fails in a Restricted namespace is refused there by the check that overrides it
_STANDS_IN = {
    "capabilities_baseline": "capabilities_restricted",
    "hostPathVolumes": "restrictedVolumes",
    "procMount": "procMount_restricted",
    "seccompProfile_baseline": "seccompProfile_restricted",
}


@dataclass(frozen=True)
class Sample:
    """One sample pod and what its file says of it.

    Attributes:
        name: the file's name: the check in lower case and a number, or `base`, `base_linux`, `base_windows`.
        passes: whether the level allows it in the version.
        pod: the manifest; shared between samples of the same content, so not to be changed.
    """

    level: Level
    version: Version
    name: str
    passes: bool
    pod: Mapping[str, Any]

    @property
    def check(self) -> str:
        """The id of the check that refuses a failing sample."""
        asked = {check.id for check in checks(self.level, self.version)}
        known = {check.lower(): check for check in asked | set(_STANDS_IN)}
        named = known[self.name.rstrip("0123456789")]
        return named if named in asked else _STANDS_IN[named]

    def __str__(self) -> str:
        return f"{self.level} {self.version} {self.name}"


@cache
def samples() -> tuple[Sample, ...]:
    """All samples of the module that belongs to the pinned Kubernetes."""
    return tuple(
        _sample(path, content)
        for path, content in module_files(MODULE, staging_version(), "test/testdata")
        if path.endswith(".yaml")
    )


@cache
def by_standard() -> dict[tuple[Level, Version], tuple[Sample, ...]]:
    """The samples of each level and version."""
    groups: dict[tuple[Level, Version], list[Sample]] = {}
    for sample in samples():
        groups.setdefault((sample.level, sample.version), []).append(sample)
    return {standard: tuple(group) for standard, group in groups.items()}


def _sample(path: str, content: bytes) -> Sample:
    place = _PLACE.fullmatch(path)
    assert place, f"{path}: a sample in a place that this test does not know"
    level, version = Level(place["level"].capitalize()), parse_version(place["version"])
    return Sample(level, version, place["name"], place["verdict"] == "pass", _manifest(content))


@cache
def _manifest(content: bytes) -> Mapping[str, Any]:
    manifest = yaml.load(content, yaml.CSafeLoader)
    assert isinstance(manifest, dict)
    return manifest
