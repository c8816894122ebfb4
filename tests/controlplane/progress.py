"""Progress on stderr, in plain lines: a terminal and a log file read them alike."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TICK = 15.0
"""Seconds between two lines: go build itself is silent for minutes."""


def say(line: str) -> None:
    """Write a line at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class Progress:
    """Says every few seconds what a silent build is doing; plain lines, so that a log file reads as well."""

    def __init__(self, title: str, log: Path) -> None:
        self._title = title
        self._log = log
        self._done = threading.Event()
        self._started = time.monotonic()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> None:
        say(f"{self._title} ...")
        self._ticker.start()

    def __exit__(self, kind: object, *_: object) -> None:
        self._done.set()
        self._ticker.join()
        say(f"{self._title} {'failed' if kind else 'done'}, {self._elapsed()}")

    def _tick(self) -> None:
        while not self._done.wait(_TICK):
            say(f"{self._title}: {self._activity()}, {self._elapsed()}")

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._started:.0f} s"

    def _activity(self) -> str:
        """Return what go's own log shows: modules fetched, packages compiled."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        fetched = sum(line.startswith("go: downloading ") for line in lines)
        compiled = sum(not line.startswith("go: ") for line in lines)
        return f"{compiled} packages compiled, {fetched} modules fetched"
