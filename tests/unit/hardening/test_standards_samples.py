"""Every sample that Kubernetes' own admission is tested with, judged here."""

from __future__ import annotations

import re

import pytest

from breakwater.hardening.standards import NEWEST, Level, Version, checks
from tests.standards.samples import by_standard

STANDARDS = [(level, Version(minor)) for level in Level for minor in range(NEWEST.minor + 1)]

BREAKS_ANOTHER_TOO = {
    "windowshostprocess0": "hostNamespaces",  # the API server admits such containers on the host's network only
    "windowshostprocess1": "hostNamespaces",
    "privileged0": "allowPrivilegeEscalation",  # the API server refuses to forbid escalation to a privileged container
    "privileged1": "allowPrivilegeEscalation",
    "allowprivilegeescalation3": "capabilities_restricted",  # its container has no securityContext at all
}
"""A sample is made to break one check. These break another one besides, wherever the standard has that."""


@pytest.mark.parametrize(("level", "version"), STANDARDS, ids=str)
def test_samples_are_judged_as_kubernetes_judges_them_and_by_the_same_check(level: Level, version: Version) -> None:
    asked = {check.id for check in checks(level, version)}
    wrong = {}
    for sample in by_standard()[level, version]:
        violated = {check.id for check in checks(level, version) if check.violations(sample.pod)}
        expected = set() if sample.passes else {sample.check, BREAKS_ANOTHER_TOO.get(sample.name, "")} & asked
        if violated != expected:
            wrong[sample.name] = (violated, expected)
    assert wrong == {}


def test_every_level_and_version_has_samples_that_pass_and_that_fail() -> None:
    groups = by_standard()
    assert set(groups) == set(STANDARDS)
    assert all({sample.passes for sample in group} == {True, False} for group in groups.values())
    assert sum(map(len, groups.values())) > 4500


def test_every_check_of_every_standard_has_a_sample_that_it_refuses() -> None:
    for (level, version), group in by_standard().items():
        refused = {sample.check for sample in group if not sample.passes}
        assert refused == {check.id for check in checks(level, version)}, f"{level} {version}"


def test_messages_name_the_field_that_is_wrong() -> None:
    unnamed = set()
    for (level, version), group in by_standard().items():
        for check in checks(level, version):
            words = set(re.findall(r"\w+", check.message))
            for path in (path for sample in group if not sample.passes for path in check.violations(sample.pod)):
                if not words & set(re.sub(r"\[.*?\]", "", path).split(".")[-2:]):
                    unnamed.add((check.id, path))
    assert unnamed == set()
