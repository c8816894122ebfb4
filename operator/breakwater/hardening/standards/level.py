"""Levels and versions of the Pod Security Standards."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_NOTATION = re.compile(r"v1\.(0|[1-9][0-9]{0,3})")


class Level(StrEnum):
    """How strict; Privileged asks for nothing and so has no checks."""

    BASELINE = "Baseline"
    RESTRICTED = "Restricted"


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """The Kubernetes release whose wording of the standards counts: 1.`minor`."""

    minor: int

    def __str__(self) -> str:
        return f"v1.{self.minor}"


NEWEST: Final = Version(37)
"""The newest wording that is known here; `latest` and every later version mean this one."""


def parse_version(text: str) -> Version:
    """A version as the labels of namespaces write it: `v1.NN`, or `latest`.

    A version newer than `NEWEST` means that one, as it does to an API server that is older than the version asked for
    (k8s.io/pod-security-admission, policy/registry.go).

    Raises:
        ValueError: it is neither.
    """
    if text == "latest":
        return NEWEST
    match = _NOTATION.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is no version of the Pod Security Standards: write v1.NN, such as {NEWEST}, or latest"
        )
    return min(Version(int(match[1])), NEWEST)
