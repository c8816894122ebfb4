"""`make test`: every layer after the other, how many ran in each, and how long it took."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane import ensure_binaries

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Layer:
    """One folder of tests; `workers` run its files side by side."""

    name: str
    folder: str
    workers: int
    marks: str
    why: str


LAYERS = (
    Layer("unit", "unit", 2, "", "decisions, parsers, engine parts"),
    Layer("engines", "engines", 1, "", "real servers as peers"),
    Layer("cluster", "cluster", 3, "not alone", "the operator on a real control plane; its tests mostly wait"),
    Layer("alone", "cluster", 1, "alone", "the same, where times are measured or processes killed at each request"),
)


@dataclass(frozen=True)
class Outcome:
    """What one layer came to."""

    passed: int
    failed: int
    skipped: int
    seconds: float
    code: int


def run(layer: Layer) -> Outcome:
    """Run a layer and read its report."""
    print(f"\n== {layer.name}: {layer.why}", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            f"tests/{layer.folder}",
            "-q",
            f"--junit-xml={report}",
            "--durations=8",
        ]
        command += ["-m", layer.marks] if layer.marks else []
        command += ["-n", str(layer.workers), "--dist", "loadfile"] if layer.workers > 1 else []
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        passed, failed, skipped = counted(report)
    return Outcome(passed, failed, skipped, time.monotonic() - started, code)


def counted(report: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped, from pytest's own report; a missing report is one failure."""
    if not report.exists():
        return 0, 1, 0
    suites = list(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314 - written by pytest just now
    total, bad, skipped = (
        sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "failures", "skipped")
    )
    bad += sum(int(suite.get("errors", 0)) for suite in suites)
    return total - bad - skipped, bad, skipped


def main() -> int:
    """Run all layers, also after one has failed; a skipped test is a failure, since nothing here is optional."""
    started = time.monotonic()
    ensure_binaries()
    built = time.monotonic() - started
    outcomes = {layer.name: run(layer) for layer in LAYERS}
    print()
    for name, outcome in outcomes.items():
        counts = f"{outcome.passed} passed, {outcome.failed} failed, {outcome.skipped} skipped"
        print(f"{name:8} {counts}, {outcome.seconds:.0f} s")
    passed, failed, skipped = (
        sum(getattr(item, key) for item in outcomes.values()) for key in ("passed", "failed", "skipped")
    )
    print(f"control plane programs: {built:.0f} s; all: {time.monotonic() - started:.0f} s")
    if skipped:
        print("skipped tests count as failed here: each of them proves something")
    print(f"{passed} passed, {failed + skipped} failed")
    return 1 if failed or skipped or any(item.code for item in outcomes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
