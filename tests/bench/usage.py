"""What processes cost: CPU seconds and memory, from /proc."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
MEGABYTE = 1 << 20


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_now(pid: int) -> float:
    """Resident megabytes (2^20 bytes)."""
    return _status(pid, "VmRSS")


def memory_peak(pid: int) -> float:
    """The most resident megabytes ever (VmHWM)."""
    return _status(pid, "VmHWM")


def _status(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


@dataclass(frozen=True)
class Meter:
    """CPU time of several processes from its making on."""

    pids: Mapping[str, int]
    begun: Mapping[str, float]

    @classmethod
    def start(cls, **pids: int) -> Meter:
        """Begin to count."""
        return cls(pids, {name: cpu_seconds(pid) for name, pid in pids.items()})

    def read(self) -> dict[str, float]:
        """CPU seconds by name since the start."""
        return {name: cpu_seconds(pid) - self.begun[name] for name, pid in self.pids.items()}


def shown(split: Mapping[str, float]) -> str:
    """CPU seconds and shares in one line."""
    whole = sum(split.values()) or 1.0
    return ", ".join(f"{name} {seconds:.1f} s ({seconds / whole:.0%})" for name, seconds in split.items())
