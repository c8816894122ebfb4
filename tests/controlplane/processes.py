"""Programs that do not outlive the process that started them, not even when it is killed with -9.

All programs of one control plane stand in one process group whose leader is a watchdog. The watchdog reads a pipe that
only this process holds open: at the pipe's end, which the kernel brings about however this process ends, it kills the
group, itself included, and removes its scratch folders. No handler has to run for that.
"""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import subprocess
import sys
import time
from typing import IO, TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_T = TypeVar("_T")

_WATCHDOG = """
import os, shutil, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
sys.stdin.buffer.read()
for folder in sys.argv[1:]:
    shutil.rmtree(folder, ignore_errors=True)
os.killpg(0, signal.SIGKILL)
"""

_PORTS = range(20_000, 32_000)
"""Below what kernels hand out to outgoing connections: such a port is rarely taken between choosing and binding."""


class StartError(RuntimeError):
    """A program ended, or was not ready in time; the message quotes the end of its log."""


class ProcessGroup:
    """Programs that end together, and the watchdog that leads their process group. A context manager."""

    def __init__(self, *scratch: Path) -> None:
        """Start the watchdog.

        Args:
            scratch: folders that go when the programs end.
        """
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WATCHDOG, *scratch], stdin=subprocess.PIPE, process_group=0
        )
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(
        self, command: Sequence[str], log: IO[bytes], cwd: Path, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program inside the group, its output in `log`."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=cwd,
            env=env,
            process_group=self._watchdog.pid,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """Kill all programs and wait until they are gone. May be called again."""
        if self._watchdog.stdin and not self._watchdog.stdin.closed:
            self._watchdog.stdin.close()
        for process in (self._watchdog, *self._started):
            process.wait()
        self._started.clear()


class Program:
    """One program of a group: it can be stopped, started again with the same command, paused and measured."""

    def __init__(self, group: ProcessGroup, name: str, command: Sequence[str], workdir: Path) -> None:
        self.name = name
        self.log = workdir / "logs" / f"{name}.log"
        self._group = group
        self._command = tuple(command)
        self._workdir = workdir
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running program."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the program was started and has not ended (a paused one is running)."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the program; its output is appended to the log."""
        if self.running:
            raise RuntimeError(f"{self.name} is running already")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = self._group.start(self._command, log, self._workdir)

    def stop(self, grace: float = 10.0) -> None:
        """Ask the program to end; kill it after `grace` seconds. Nothing happens when it has ended."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the program without notice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """Stop the program's clock (SIGSTOP): its connections stay open and nobody answers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused program go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def rss(self) -> int:
        """Return the resident memory in bytes."""
        answer = subprocess.run(["ps", "-o", "rss=", "-p", str(self.pid)], capture_output=True, text=True, check=True)
        return int(answer.stdout) * 1024

    def await_ready(self, ready: Callable[[], bool], timeout: float) -> None:
        """Wait until `ready()`.

        Raises:
            StartError: the program ended, or `timeout` seconds passed.
        """

        def ready_or_ended() -> bool:
            return not self.running or ready()

        try:
            wait_until(ready_or_ended, timeout, f"{self.name} to be ready")
        except TimeoutError as error:
            raise StartError(f"{self.name} was not ready after {timeout:.0f} s\n{self.quote()}") from error
        if self._process is not None and self._process.poll() is not None:
            raise StartError(f"{self.name} ended with code {self._process.returncode}\n{self.quote()}")

    def quote(self, lines: int = 15) -> str:
        """Return the end of the log with a heading that names the file."""
        tail = self.log.read_text(errors="replace").splitlines()[-lines:] if self.log.exists() else []
        return "\n".join([f"the end of {self.log}:", *(f"  {line}" for line in tail)])


def wait_until(condition: Callable[[], _T], timeout: float, what: str, interval: float = 0.05) -> _T:
    """Return the first true value of `condition()`, asked every `interval` seconds.

    Raises:
        TimeoutError: `timeout` seconds passed; the message names `what` was awaited.
    """
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:.0f} s for {what}")
        time.sleep(interval)
    return value


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that are free now; whoever binds one later must be ready to find it taken."""
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        for port in random.sample(_PORTS, len(_PORTS)):
            listener = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", port))
                ports.append(port)
            if len(ports) == count:
                return ports
    raise StartError(f"no {count} free ports between {_PORTS.start} and {_PORTS.stop} on 127.0.0.1")
