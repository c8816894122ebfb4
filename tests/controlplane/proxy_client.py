"""The fault proxy as tests use it: a context manager that runs the process and controls it."""

import contextlib
import http.client
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Literal, Self

import trustme
from pydantic import TypeAdapter
from pydantic_core import to_json

from tests.controlplane.proxy_model import Action, Match, Request

_ROOT = Path(__file__).resolve().parents[2]
_START_TIMEOUT = 20.0  # seconds
_REQUESTS = TypeAdapter(list[Request])


class FaultProxy:
    """A running proxy in front of `upstream`; it ends with the block, and with this process however that ends.

    ::

        with FaultProxy(server.url, server.ca_file) as proxy:
            operator = start_operator(kubeconfig(proxy.url, proxy.ca_file))
            rule = proxy.add(Match(write_number=3), Kill(pid=operator.pid, when="after"))
            proxy.wait_applied(rule)
    """

    def __init__(self, upstream: str, upstream_ca: Path) -> None:
        self._upstream = upstream
        self._upstream_ca = upstream_ca
        self._running = contextlib.ExitStack()
        self.url = ""
        self.ca_file = Path()
        self.pid = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as starting:
            # Not in a test's own folder: the path of a Unix socket is limited to 107 bytes.
            folder = Path(starting.enter_context(tempfile.TemporaryDirectory(prefix="fault-proxy-")))
            self._socket = folder / "control"
            self.ca_file = folder / "ca.pem"
            process = starting.enter_context(
                _ending(subprocess.Popen(self._command(folder), cwd=_ROOT, stdout=-1, text=True))
            )
            self.pid = process.pid
            assert process.stdout is not None
            self.url = json.loads(_first_line(process.stdout))["url"]
            (folder / "key.pem").unlink()  # the folder stays behind if this process is killed
            self._running = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def _command(self, folder: Path) -> list[str]:
        authority = trustme.CA()
        leaf = authority.issue_cert("127.0.0.1", "localhost")
        authority.cert_pem.write_to_path(self.ca_file)
        leaf.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
        leaf.private_key_pem.write_to_path(folder / "key.pem")
        options = {
            "upstream": self._upstream,
            "upstream-ca": self._upstream_ca,
            "listen": "127.0.0.1:0",
            "certificate": folder / "certificate.pem",
            "key": folder / "key.pem",
            "control": self._socket,
            "parent": os.getpid(),
        }
        return [
            sys.executable,
            "-m",
            "tests.controlplane.proxy",
            *(f"--{name}={value}" for name, value in options.items()),
        ]

    def log(self) -> list[Request]:
        """Return the requests since the last reset, in the order of their numbers."""
        return _REQUESTS.validate_python(self._call("log"))

    def reset(self, count: Match | None = None) -> None:
        """Empty the log and number from 1 again; `count`, once given, says from now on what gets a write number."""
        self._call("reset", count=count)

    def add(
        self,
        match: Match,
        action: Action,
        *,
        nth: int = 1,
        times: int | None = None,
        scope: Literal["all", "live", "new"] = "all",
    ) -> int:
        """Put a rule in force behind the others and return its id; see `Rule`."""
        return int(self._call("add", match=match, action=action, nth=nth, times=times, scope=scope))

    def remove(self, rule: int) -> None:
        """Take a rule out of force; what it holds is released."""
        self._call("remove", rule=rule)

    def clear(self) -> None:
        """Take all rules out of force."""
        self._call("clear")

    def release(self, rule: int) -> None:
        """Let a process go on that a Stop stopped, with the request that it holds."""
        self._call("release", rule=rule)

    def wait_for(
        self,
        match: Match,
        timeout: float = 10.0,
        *,
        state: Literal["seen", "answered", "finished"] = "finished",
        nth: int = 1,
    ) -> Request:
        """Block until the `nth` matching request of the log has come so far; TimeoutError after `timeout` seconds."""
        return _REQUESTS.validate_python(self._call("wait_for", match=match, state=state, nth=nth, within=timeout))[0]

    def wait_applied(self, rule: int, timeout: float = 10.0, *, times: int = 1) -> list[Request]:
        """Block until a rule has taken effect so often (process dead, stream ended); return the requests so far."""
        return _REQUESTS.validate_python(self._call("wait_applied", rule=rule, times=times, within=timeout))

    def _call(self, operation: str, **arguments: object) -> Any:
        within = arguments.get("within", 0.0)
        assert isinstance(within, int | float)
        with contextlib.closing(_UnixConnection(self._socket, within + _START_TIMEOUT)) as connection:
            connection.request("POST", f"/{operation}", to_json(arguments))
            answer = connection.getresponse()
            content = answer.read()
        if answer.status == HTTPStatus.GATEWAY_TIMEOUT:
            raise TimeoutError(f"{operation} {arguments}: not in time; log() has what the proxy saw")
        if answer.status != HTTPStatus.OK:
            raise RuntimeError(
                f"{operation} {arguments}: refused with {answer.status}; the proxy's standard error says why"
            )
        return json.loads(content)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@contextlib.contextmanager
def _ending(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Yield the process and see to its end."""
    with process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def _first_line(stream: IO[str]) -> str:
    """Wait for the line that says that the process is ready."""
    ready, _, _ = select.select([stream], [], [], _START_TIMEOUT)
    line = stream.readline() if ready else ""
    if not line:
        raise RuntimeError(f"the fault proxy did not start within {_START_TIMEOUT} s; its standard error says why")
    return line
