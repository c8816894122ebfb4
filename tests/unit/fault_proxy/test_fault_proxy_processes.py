"""How the fault proxy kills and stops the process behind a request, and how it ends itself."""

import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.controlplane.proxy_client import FaultProxy
from tests.controlplane.proxy_model import (
    Kill,
    Match,
    Stop,
)
from tests.unit.fault_proxy.client import SECRETS, call, eventually
from tests.unit.fault_proxy.upstream import Upstream

VICTIM = """
import http.client, ssl, sys
host, port, ca, method, path = sys.argv[1:]
connection = http.client.HTTPSConnection(host, int(port), context=ssl.create_default_context(cafile=ca))
connection.request(method, path, body=b"{}")
print(connection.getresponse().read().decode(), flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def victim(proxy: FaultProxy, method: str = "POST", path: str = SECRETS) -> Iterator[subprocess.Popen[str]]:
    """Run a process that waits for its turn, sends one request, prints the answer and waits for its end."""
    address = urlsplit(proxy.url)
    # `sh` reads the turn, so that the process id is known before the request is sent.
    script = [sys.executable, "-c", VICTIM, str(address.hostname), str(address.port), str(proxy.ca_file), method, path]
    starting = ["sh", "-c", 'read turn; exec "$@"', "sh", *script]
    with subprocess.Popen(starting, stdin=-1, stdout=-1, text=True, bufsize=1) as process:
        try:
            yield process
        finally:
            process.kill()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_process_hears_nothing_and_the_server_only_what_it_was_to_hear(
    proxy: FaultProxy, upstream: Upstream, when: str
) -> None:
    call(proxy, "GET", SECRETS)
    with victim(proxy) as process:
        rule = proxy.add(Match(number=2), Kill.model_validate({"pid": process.pid, "when": when}))
        go(process)
        (request,) = proxy.wait_applied(rule)
        assert state_of(process.pid) == "Z"
        assert process.wait(5) == -signal.SIGKILL
        assert line_of(process) == ""
    assert (request.number, request.write_number, request.forwarded) == (2, 1, when == "after")
    assert [seen.method for seen in upstream.received] == (["GET", "POST"] if when == "after" else ["GET"])
    assert call(proxy, "POST", SECRETS)[0] == 200


@pytest.mark.parametrize(("when", "first"), [("before", "process"), ("before", "request"), ("after", "process")])
def test_a_stopped_process_and_its_request_go_on_when_released(
    proxy: FaultProxy, upstream: Upstream, when: str, first: str
) -> None:
    with victim(proxy) as process:
        stop = Stop.model_validate({"pid": process.pid, "when": when, "first": first})
        rule = proxy.add(Match(verb="create", write_number=1), stop)
        go(process)
        proxy.wait_applied(rule)
        assert state_of(process.pid) == "T"
        assert call(proxy, "PUT", f"{SECRETS}/a")[0] == 200, "others are served meanwhile"
        assert [seen.method for seen in upstream.received] == (["POST", "PUT"] if when == "after" else ["PUT"])
        proxy.release(rule)
        assert line_of(process) == "{}\n"
        assert {seen.method for seen in upstream.received} == {"POST", "PUT"}
        assert state_of(process.pid) != "T"


@pytest.mark.parametrize("first", ["process", "request"])
def test_a_release_lets_go_of_what_was_chosen_first(proxy: FaultProxy, upstream: Upstream, first: str) -> None:
    upstream.gate.clear()
    try:
        with victim(proxy, path=f"{SECRETS}?gate=1") as process:
            rule = proxy.add(Match(verb="create"), Stop.model_validate({"pid": process.pid, "first": first}))
            go(process)
            proxy.wait_applied(rule)
            proxy.release(rule)
            eventually(lambda: len(upstream.received) == 1)
            if first == "process":
                eventually(lambda: state_of(process.pid) != "T")
            else:
                assert state_of(process.pid) == "T"
            upstream.gate.set()
            assert line_of(process) == "{}\n"
    finally:
        upstream.gate.set()


def test_a_request_that_was_held_reaches_the_server_even_if_its_sender_is_dead(
    proxy: FaultProxy, upstream: Upstream
) -> None:
    with victim(proxy) as process:
        rule = proxy.add(Match(verb="create"), Stop(pid=process.pid))
        go(process)
        proxy.wait_applied(rule)
        process.kill()
        process.wait(5)
        proxy.remove(rule)
        eventually(lambda: [seen.method for seen in upstream.received] == ["POST"])


def test_a_stopped_process_goes_on_when_the_proxy_ends(upstream: Upstream) -> None:
    with FaultProxy(upstream.url, upstream.ca_file) as proxy, victim(proxy) as process:
        rule = proxy.add(Match(verb="create"), Stop(pid=process.pid))
        go(process)
        proxy.wait_applied(rule)
        proxy.__exit__()
        eventually(lambda: state_of(process.pid) != "T")


def test_the_proxy_ends_with_its_owner_however_that_ends(upstream: Upstream) -> None:
    script = (
        "import sys, pathlib; from tests.controlplane.proxy_client import FaultProxy\n"
        "with FaultProxy(sys.argv[1], pathlib.Path(sys.argv[2])) as proxy:\n"
        "    print(proxy.pid, proxy.ca_file.parent, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, upstream.url, str(upstream.ca_file)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, cwd=Path(__file__).parents[3]) as owner:
        pid, folder = line_of(owner).split()
        owner.kill()
    eventually(lambda: not Path(f"/proc/{pid}").exists() or state_of(int(pid)) == "Z")
    shutil.rmtree(folder)  # what a killed owner cannot do
