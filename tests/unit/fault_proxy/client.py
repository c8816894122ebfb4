"""What tests of the fault proxy send through it."""

import contextlib
import http.client
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from tests.controlplane.proxy_client import FaultProxy
from tests.unit.fault_proxy.upstream import Upstream

SECRETS = "/api/v1/namespaces/bpm/secrets"
WATCH = f"{SECRETS}?watch=true"


@contextlib.contextmanager
def connect(server: FaultProxy | Upstream) -> Iterator[http.client.HTTPSConnection]:
    address, context = urlsplit(server.url), ssl.create_default_context(cafile=server.ca_file)
    connection = http.client.HTTPSConnection(str(address.hostname), address.port, context=context, timeout=5)
    with contextlib.closing(connection):
        yield connection


def call(proxy: FaultProxy, method: str, path: str, body: bytes = b"", user_agent: str = "test") -> tuple[int, bytes]:
    with connect(proxy) as connection:
        connection.request(method, path, body, {"User-Agent": user_agent})
        answer = connection.getresponse()
        return answer.status, answer.read()


@contextlib.contextmanager
def watching(proxy: FaultProxy) -> Iterator[http.client.HTTPResponse]:
    with connect(proxy) as connection:
        connection.request("GET", WATCH)
        yield connection.getresponse()


def was_reset(connection: http.client.HTTPSConnection) -> bool:
    """Read to the end below TLS, where the standard library makes no difference between RST and FIN."""
    assert connection.sock is not None
    with socket.socket(fileno=os.dup(connection.sock.fileno())) as raw:
        raw.settimeout(5)
        try:
            while raw.recv(1 << 16):
                pass
        except ConnectionResetError:
            return True
    return False


def eventually(condition: Callable[[], bool], timeout: float = 5.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.01)
