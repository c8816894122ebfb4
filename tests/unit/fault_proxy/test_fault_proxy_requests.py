"""How the fault proxy passes requests on, numbers them and answers them itself."""

import gzip
import json
import os
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.controlplane.proxy_client import FaultProxy
from tests.controlplane.proxy_model import (
    Answer,
    Delay,
    Match,
    Target,
    parse_target,
    refusal,
)
from tests.unit.fault_proxy.client import SECRETS, call, connect, watching
from tests.unit.fault_proxy.upstream import Upstream

LEASE = "/apis/coordination.k8s.io/v1/namespaces/bpm/leases/operator"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@pytest.mark.parametrize(
    ("method", "path", "query", "target"),
    [
        ("GET", "/healthz", "", Target("get")),
        ("GET", "/api/v1", "", Target("get")),
        ("GET", "/apis/apps/v1", "", Target("get")),
        ("GET", "/api/v1/pods", "", Target("list", "", "v1", "pods")),
        ("GET", "/api/v1/pods", "watch=1", Target("watch", "", "v1", "pods")),
        ("GET", "/api/v1/pods", "watch=false", Target("list", "", "v1", "pods")),
        ("GET", "/api/v1/watch/namespaces/bpm/pods", "", Target("watch", "", "v1", "pods", "bpm")),
        ("GET", SECRETS + "/a", "", Target("get", "", "v1", "secrets", "bpm", "a")),
        ("HEAD", SECRETS + "/a", "", Target("get", "", "v1", "secrets", "bpm", "a")),
        ("GET", SECRETS, "fieldSelector=metadata.name%3Da", Target("list", "", "v1", "secrets", "bpm", "a")),
        ("GET", SECRETS, "fieldSelector=type%3Da", Target("list", "", "v1", "secrets", "bpm")),
        ("DELETE", SECRETS, "", Target("deletecollection", "", "v1", "secrets", "bpm")),
        ("DELETE", SECRETS + "/a", "", Target("delete", "", "v1", "secrets", "bpm", "a")),
        ("POST", SECRETS, "", Target("create", "", "v1", "secrets", "bpm")),
        ("PUT", LEASE, "", Target("update", "coordination.k8s.io", "v1", "leases", "bpm", "operator")),
        ("PATCH", "/apis/b.dev/v1/cas/a/status", "", Target("patch", "b.dev", "v1", "cas", "", "a", "status")),
        ("GET", "/api/v1/namespaces", "", Target("list", "", "v1", "namespaces")),
        ("GET", "/api/v1/namespaces/bpm", "", Target("get", "", "v1", "namespaces", "bpm", "bpm")),
        ("PUT", "/api/v1/namespaces/a/finalize", "", Target("update", "", "v1", "namespaces", "a", "a", "finalize")),
    ],
)
def test_requests_are_read_as_the_api_server_reads_them(method: str, path: str, query: str, target: Target) -> None:
    assert parse_target(method, path, query) == target


def test_bodies_and_headers_pass_unchanged_both_ways(proxy: FaultProxy, upstream: Upstream) -> None:
    body = gzip.compress(b"x" * 2_000_000) + os.urandom(3_000_000)
    headers = {"Authorization": "Bearer t", "Content-Encoding": "gzip", "Accept": "b", "User-Agent": "u", "X-A": "c"}
    path = f"{SECRETS}/a%2Fb?fieldManager=x%20y&echo=1"
    with connect(proxy) as connection:
        connection.request("PUT", path, body, headers)
        answer = connection.getresponse()
        assert answer.read() == body
    seen = upstream.received[0]
    assert (seen.path, seen.body) == (path, body)
    by_http_client = {
        "Host": urlsplit(proxy.url).netloc,
        "Accept-Encoding": "identity",
        "Content-Length": str(len(body)),
    }
    assert seen.headers == headers | by_http_client
    assert (answer.headers["Content-Encoding"], answer.headers.get_all("Warning")) == ("gzip", ["299 - a", "299 - b"])


def test_requests_are_numbered_and_writes_among_them(proxy: FaultProxy) -> None:
    call(proxy, "GET", SECRETS, user_agent="breakwater/1")
    call(proxy, "PUT", LEASE)
    call(proxy, "POST", f"{SECRETS}?dryRun=All")
    call(proxy, "POST", REVIEWS)
    call(proxy, "POST", SECRETS)
    call(proxy, "DELETE", f"{SECRETS}/a")
    log = proxy.log()
    assert [(entry.number, entry.write_number) for entry in log] == [
        (1, None),
        (2, None),
        (3, None),
        (4, None),
        (5, 1),
        (6, 2),
    ]
    assert [entry.dry_run for entry in log] == [False, False, True, False, False, False]
    assert (log[0].user_agent, log[0].status, log[0].forwarded) == ("breakwater/1", 200, True)
    assert all(entry.started <= (entry.answered or 0) <= (entry.finished or 0) <= time.monotonic() for entry in log)
    proxy.reset(Match(verb="list"))
    call(proxy, "POST", SECRETS)
    call(proxy, "GET", SECRETS)
    assert [(entry.number, entry.write_number) for entry in proxy.log()] == [(1, None), (2, 1)]


def test_waiting_ends_with_the_request_or_with_the_time(proxy: FaultProxy) -> None:
    with pytest.raises(TimeoutError, match="wait_for"):
        proxy.wait_for(Match(verb="list"), timeout=0.05)
    caller = threading.Thread(target=call, args=(proxy, "GET", SECRETS))
    with watching(proxy):
        caller.start()
        assert proxy.wait_for(Match(verb="list")).status == 200
        assert proxy.wait_for(Match(verb="watch"), state="answered").finished is None
    caller.join()


@pytest.mark.parametrize(
    ("code", "reason"), [(401, "Unauthorized"), (403, "Forbidden"), (410, "Expired"), (500, "InternalError")]
)
def test_a_refusal_has_the_form_of_the_api_server_and_never_reaches_it(
    proxy: FaultProxy, upstream: Upstream, code: int, reason: str
) -> None:
    proxy.add(Match(namespace="bpm", resource="secrets"), refusal(code))
    status, body = call(proxy, "GET", SECRETS)
    assert (status, json.loads(body)["reason"], json.loads(body)["code"]) == (code, reason, code)
    assert call(proxy, "GET", "/api/v1/namespaces/other/secrets")[0] == 200
    assert [seen.path for seen in upstream.received] == ["/api/v1/namespaces/other/secrets"]


def test_too_many_requests_says_when_to_come_back(proxy: FaultProxy) -> None:
    proxy.add(Match(), refusal(429, retry_after=7))
    with connect(proxy) as connection:
        connection.request("GET", SECRETS)
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
        assert json.loads(answer.read())["details"] == {"retryAfterSeconds": 7}


def test_a_rule_claims_so_many_matches_from_the_nth_on_and_leaves_the_rest_to_later_rules(proxy: FaultProxy) -> None:
    proxy.add(Match(verb="list"), Answer(status=500), nth=2, times=2)
    last = proxy.add(Match(verb=("list", "create"), excluding=(Match(verb="create"),)), Answer(status=403), nth=2)
    assert [call(proxy, "GET", SECRETS)[0] for _ in range(5)] == [200, 500, 500, 403, 403]
    assert call(proxy, "POST", SECRETS)[0] == 200
    proxy.remove(last)
    assert call(proxy, "GET", SECRETS)[0] == 200


def test_a_delayed_request_reaches_the_server_later(proxy: FaultProxy, upstream: Upstream) -> None:
    proxy.add(Match(), Delay(seconds=0.2))
    started = time.monotonic()
    assert call(proxy, "GET", SECRETS)[0] == 200
    assert 0.2 <= time.monotonic() - started < 2
    assert len(upstream.received) == 1


def test_a_server_that_is_away_is_a_broken_connection(tmp_path: Path, upstream: Upstream) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with FaultProxy(f"https://127.0.0.1:{nobody.getsockname()[1]}", upstream.ca_file) as proxy:
            with pytest.raises(ConnectionResetError):
                call(proxy, "GET", SECRETS)
            (request,) = proxy.log()
            assert (request.status, request.error.partition(":")[0]) == (None, "ClientConnectorError")


def test_a_request_costs_little_more_than_without_the_proxy(proxy: FaultProxy, upstream: Upstream) -> None:
    def milliseconds(server: FaultProxy | Upstream) -> float:
        with connect(server) as connection:
            started = time.perf_counter()
            for _ in range(1000):
                connection.request("GET", f"{SECRETS}/a")
                connection.getresponse().read()
            return time.perf_counter() - started

    direct, through = milliseconds(upstream), milliseconds(proxy)
    assert len(proxy.log()) == 1000
    assert through - direct < 20, f"{through - direct:.2f} ms are added to each request"
