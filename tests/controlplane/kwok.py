"""The stages by which kwok plays the kubelet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.controlplane.build import STAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_STAGES = ("node/fast", "node/heartbeat", "pod/fast")
"""Nodes are ready and stay so; pods run, become ready, complete (Jobs) and go when deleted."""


def write_stages(binaries: Path, stages: Sequence[str], target: Path) -> None:
    """Write into one file the `stages`: folders of kwok's own, by name, or files of a test's making.

    Raises:
        FileNotFoundError: kwok has no such folder and there is no such file.
    """
    target.write_text("\n---\n".join(file.read_text() for stage in stages for file in _files(binaries / STAGES, stage)))


def _files(own: Path, stage: str) -> list[Path]:
    if files := sorted((own / stage).glob("*.yaml")):
        return files
    if Path(stage).is_file():
        return [Path(stage)]
    known = ", ".join(sorted(str(path.relative_to(own)) for path in own.glob("*/*")))
    raise FileNotFoundError(f"no kwok stage {stage!r}: name a file, or one of {known}")
