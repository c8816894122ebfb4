"""How the fault proxy passes streams on and breaks them."""

import http.client
import json
import time

import pytest

from tests.controlplane.proxy_client import FaultProxy
from tests.controlplane.proxy_model import (
    Cut,
    Match,
    Reset,
    Silence,
    Slow,
    Truncate,
    WatchError,
)
from tests.unit.fault_proxy.client import SECRETS, WATCH, call, connect, eventually, was_reset, watching
from tests.unit.fault_proxy.upstream import Upstream


def test_a_watch_is_open_before_its_first_event_and_each_event_arrives_within_100_ms(
    proxy: FaultProxy, upstream: Upstream
) -> None:
    with watching(proxy) as stream:
        for _ in range(20):
            sent = time.monotonic()
            upstream.emit(b'{"type":"ADDED"}\n')
            assert stream.readline() == b'{"type":"ADDED"}\n'
            assert time.monotonic() - sent < 0.1


def test_a_client_that_leaves_takes_its_watch_at_the_server_with_it(proxy: FaultProxy, upstream: Upstream) -> None:
    with watching(proxy):
        eventually(lambda: upstream.watches == 1)
    eventually(lambda: upstream.watches == 0)
    assert proxy.wait_for(Match(verb="watch")).error == ""


def test_a_reset_is_a_reset_for_new_requests_and_for_live_streams(proxy: FaultProxy, upstream: Upstream) -> None:
    with connect(proxy) as live, connect(proxy) as new:
        live.request("GET", WATCH)
        live.getresponse()
        rule = proxy.add(Match(), Reset())
        assert was_reset(live)
        assert proxy.wait_applied(rule)[0].verb == "watch"
        new.request("POST", SECRETS)
        assert was_reset(new)
    assert [seen.method for seen in upstream.received] == ["GET"]


def test_a_silent_stream_stays_open_and_swallows_everything(proxy: FaultProxy, upstream: Upstream) -> None:
    with watching(proxy) as stream:
        upstream.emit(b"before\n")
        assert stream.readline() == b"before\n"
        rule = proxy.add(Match(verb="watch"), Silence())
        proxy.wait_applied(rule)
        upstream.emit(b"after\n")
        upstream.end_watches()
        eventually(lambda: upstream.watches == 0)
        proxy.remove(rule)
        stream.fp.raw._sock.settimeout(0.3)  # type: ignore[attr-defined]
        with pytest.raises(TimeoutError):
            stream.readline()


def test_a_silent_stream_can_still_be_reset(proxy: FaultProxy) -> None:
    with connect(proxy) as connection:
        connection.request("GET", WATCH)
        proxy.wait_applied(proxy.add(Match(verb="watch"), Silence()))
        proxy.add(Match(verb="watch"), Reset())
        assert was_reset(connection)


def test_cut_watches_end_in_good_order_and_new_ones_live(proxy: FaultProxy, upstream: Upstream) -> None:
    with watching(proxy) as first, watching(proxy) as second:
        rule = proxy.add(Match(verb="watch"), Cut(), scope="live")
        assert (first.read(), second.read()) == (b"", b"")
        assert len(proxy.wait_applied(rule, times=2)) == 2
        with watching(proxy) as third:
            upstream.emit(b"alive\n")
            assert third.readline() == b"alive\n"


def test_a_cut_in_the_middle_of_an_event_waits_for_its_end(proxy: FaultProxy, upstream: Upstream) -> None:
    with watching(proxy) as stream:
        upstream.emit(b'{"type":')
        assert stream.read(8) == b'{"type":'
        rule = proxy.add(Match(verb="watch"), WatchError(code=410))
        upstream.emit(b'"ADDED"}\n{"type":"MODIFIED"}\n')
        assert stream.readline() == b'"ADDED"}\n'
        event = json.loads(stream.readline())
        assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
        assert stream.read() == b""
        proxy.wait_applied(rule)


def test_an_error_event_ends_live_and_new_watches_but_no_list(proxy: FaultProxy) -> None:
    with watching(proxy) as live:
        proxy.add(Match(), WatchError(code=500))
        assert json.loads(live.readline())["object"]["reason"] == "InternalError"
    with watching(proxy) as new:
        assert json.loads(new.readline())["object"]["code"] == 500
    assert call(proxy, "GET", SECRETS) == (200, b"{}")


@pytest.mark.parametrize(("after", "left"), [(5, b"12345"), (11, b"1234567890"), (14, b"1234567890\nabc")])
def test_a_truncated_stream_ends_in_the_middle_of_a_line(
    proxy: FaultProxy, upstream: Upstream, after: int, left: bytes
) -> None:
    with watching(proxy) as stream:
        proxy.add(Match(verb="watch"), Truncate(after=after))
        upstream.emit(b"123")
        upstream.emit(b"4567890\nabcdef\n")
        with pytest.raises(http.client.IncompleteRead) as cut:
            stream.read()
        assert cut.value.partial == left


def test_a_list_can_be_truncated_too(proxy: FaultProxy) -> None:
    proxy.add(Match(verb="update"), Truncate(after=7))
    with pytest.raises(http.client.IncompleteRead) as cut:
        call(proxy, "PUT", f"{SECRETS}/a?echo=1", b"0123456789")
    assert cut.value.partial == b"0123456"


def test_slow_bytes_come_slowly_and_all(proxy: FaultProxy) -> None:
    proxy.add(Match(verb="update"), Slow(size=2, interval=0.05))
    started = time.monotonic()
    assert call(proxy, "PUT", f"{SECRETS}/a?echo=1", b"0123456789")[1] == b"0123456789"
    assert time.monotonic() - started >= 0.2


def test_streams_that_outlive_a_reset_have_no_number(proxy: FaultProxy) -> None:
    with watching(proxy) as stream:
        proxy.reset()
        proxy.add(Match(number=1), WatchError())
        rule = proxy.add(Match(number=0), Cut())
        assert stream.read() == b""
        assert proxy.wait_applied(rule)[0].verb == "watch"
        assert proxy.log() == []
