"""Somebody who starts the operator again when it ends, as a kubelet does."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from tests.cluster.harness import OperatorProcess

BACK_OFF = 1.0
LOOK = 0.05


@dataclass(frozen=True)
class Exit:
    """One end of the process that nobody asked for; `at` is monotonic time in seconds."""

    code: int
    at: float


class Kubelet:
    """Restarts one operator on a non-zero exit, one second later. A context manager."""

    def __init__(self, operator: OperatorProcess) -> None:
        self.operator = operator
        self.exits: list[Exit] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="kubelet")

    def __enter__(self) -> Self:
        self.operator.start()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self.operator.stop()

    def _watch(self) -> None:
        while not self._over.wait(LOOK):
            code = self.operator.returncode
            if code is None:
                continue
            self.exits.append(Exit(code, time.monotonic()))
            if code == 0 or self._over.wait(BACK_OFF):
                return
            self.operator.start()
