"""A control plane that outlives the command that started it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.controlplane.build import cache_root
from tests.controlplane.controlplane import ControlPlane
from tests.controlplane.processes import StartError, wait_until

if TYPE_CHECKING:
    from types import FrameType

_START = 120.0
_STOP = 30.0
_CHECKOUT = Path(__file__).parents[2]


class Background:
    """The process that holds one named control plane; its state lies in the cache.

    The process holds a lock on its state file, which names its id: no stale file can be mistaken for it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = cache_root() / "controlplane" / "running" / name
        self._lock = self.folder.with_name(f"{name}.pid")
        self._log = self.folder.with_name(f"{name}.log")

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "admin.kubeconfig"

    @property
    def running(self) -> bool:
        """Whether the process lives, ready or not."""
        if not self._lock.exists():
            return False
        with self._lock.open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def start(self, options: list[str]) -> None:
        """Start the process and return when the control plane is ready.

        Raises:
            StartError: it ended before; the message is what it said.
        """
        self._ready.unlink(missing_ok=True)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tests.controlplane", "serve", *options]
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=_CHECKOUT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(lambda: self._ready.exists() or process.poll() is not None, _START, f"{self.name} to be up")
        if process.poll() is not None:
            raise StartError(f"{self.name} did not come up:\n{self._log.read_text().strip()}")

    def stop(self) -> bool:
        """End the process and wait for it; tell whether there was one."""
        if not self.running:
            return False
        pid = int(self._lock.read_text())
        os.kill(pid, signal.SIGTERM)
        try:
            wait_until(lambda: not self.running, _STOP, f"{self.name} to end")
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)  # its programs go with it: see processes.py
            wait_until(lambda: not self.running, _STOP, f"{self.name} to be killed")
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.unlink(missing_ok=True)
        return True

    def serve(self, *, kwok: bool, **options: Any) -> None:
        """Be the process: run the control plane until SIGTERM or SIGINT."""
        ended = threading.Event()

        def end(_number: int, _frame: FrameType | None) -> None:
            ended.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a+") as handle:
            self._take(handle.fileno())
            shutil.rmtree(self.folder, ignore_errors=True)
            with ControlPlane(workdir=self.folder, kwok=kwok, **options) as cp:
                if kwok:
                    cp.add_node("node-1")
                self._ready.touch()
                ended.wait()

    @property
    def _ready(self) -> Path:
        return self.folder / "ready"

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(f"{self.name} is up already") from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
