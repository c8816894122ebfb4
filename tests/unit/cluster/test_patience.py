from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import aiohttp
import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from breakwater.cluster import patience as module
from breakwater.cluster.client import Login
from breakwater.cluster.patience import Patience
from tests.unit.cluster.fake_server import FakeServer, refusal, serving
from tests.unit.cluster.objects import WIDGET

OURS, OTHERS = "/apis/example.org/v1/widgets", "/api/v1/namespaces"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(module, "LONGEST_DELAY", 0.05)


class NumberedLogin(Login):
    """A token that is another one each time, as one that is rotated."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        self._numbers = count(1)

    async def authorization(self) -> str | None:
        return f"Bearer {next(self._numbers)}"


@asynccontextmanager
async def patient() -> AsyncIterator[tuple[FakeServer, Patience, aiohttp.ClientSession]]:
    async with serving() as (server, _):
        configuration = Configuration()
        configuration.host = server.url
        patience = Patience(NumberedLogin(configuration), WIDGET)
        async with patience.session("test") as session:
            yield server, patience, session


@pytest.mark.parametrize("path", [OURS, OTHERS])
@pytest.mark.parametrize("code", [401, 429, 500, 503, 504])
async def test_what_can_pass_is_waited_out(path: str, code: int) -> None:
    async with patient() as (server, _, session):
        server.failures.extend(refusal(code) for _ in range(20))
        async with session.get(server.url + path, params={"limit": "1"}) as answer:
            assert answer.status == 200
        assert len(server.lists) == 21


@pytest.mark.parametrize("code", [403, 404])
async def test_what_is_refused_below_our_own_paths_is_waited_out_and_elsewhere_handed_on(code: int) -> None:
    async with patient() as (server, _, session):
        server.failures.append(refusal(code))
        async with session.get(server.url + OURS, params={"limit": "1"}) as answer:
            assert answer.status == 200
        server.failures.append(refusal(code))
        async with session.get(server.url + OTHERS, params={"limit": "1"}) as answer:
            assert answer.status == code


@pytest.mark.parametrize("code", [400, 409, 410, 422])
async def test_what_waiting_does_not_change_is_handed_on(code: int) -> None:
    async with patient() as (server, _, session):
        server.failures.append(refusal(code))
        async with session.get(server.url + OURS) as answer:
            assert answer.status == code


async def test_discovery_is_asked_until_it_names_the_type() -> None:
    async with patient() as (server, _, session):
        names = ([], ["gadgets"], ["gadgets", "widgets"])
        server.failures.extend(web.json_response({"resources": [{"name": name} for name in some]}) for some in names)
        async with session.get(f"{server.url}/apis/{WIDGET.api_version}") as answer:
            assert [item["name"] for item in (await answer.json())["resources"]] == ["gadgets", "widgets"]


async def test_each_attempt_bears_the_token_of_its_time() -> None:
    async with patient() as (server, _, session):
        server.failures.extend([refusal(401), refusal(401)])
        async with session.get(server.url + OURS, params={"limit": "1"}) as answer:
            assert answer.request_info.headers["Authorization"] == "Bearer 3"


async def test_it_waits_as_long_as_the_server_asks() -> None:
    async with patient() as (server, _, session):
        server.failures.append(refusal(429, Retry_After="1"))
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with session.get(server.url + OURS, params={"limit": "1"}):
            assert loop.time() - started >= 1


async def test_a_server_that_is_away_is_waited_for() -> None:
    async with patient() as (server, patience, session):
        gone = server.url.rpartition(":")[0] + ":1"
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5), session.get(gone + OURS):
                pass
        # It was tried again in the meantime, however slow this machine is.
        assert patience.idle() < time.monotonic() - started


async def test_one_who_waits_holds_up_nobody_else() -> None:
    async with patient() as (server, _, session):
        server.failures.append(refusal(429, Retry_After="30"))
        waiting = asyncio.create_task(_get(session, server.url + OURS))
        while not server.lists:
            await asyncio.sleep(0.01)
        assert await _get(session, server.url + OURS) == 200
        assert not waiting.done()
        waiting.cancel()


async def _get(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(url, params={"limit": "1"}) as answer:
        return answer.status


async def test_a_list_whose_place_has_expired_goes_on_from_its_first_page() -> None:
    async with patient() as (server, _, session):
        server.failures.append(refusal(410))
        async with session.get(server.url + OURS, params={"limit": "5", "continue": "3"}) as answer:
            assert answer.status == 200
        assert server.lists == [{"limit": "5", "continue": "3"}, {"limit": "5"}]


async def test_a_watch_that_is_told_to_list_again_is_told_so() -> None:
    async with patient() as (server, _, session):
        server.failures.append(refusal(410))
        async with session.get(server.url + OURS, params={"watch": "true", "resourceVersion": "1"}) as answer:
            assert answer.status == 410


async def test_it_takes_the_way_that_the_kubeconfig_names() -> None:
    async with serving() as (server, _):
        configuration = Configuration()
        configuration.host, configuration.proxy = "http://api.invalid", server.url
        login = NumberedLogin(configuration)
        async with (
            Patience(login, WIDGET).session("test") as session,
            session.get(login.server + OURS, params={"limit": "1"}) as answer,
        ):
            assert answer.status == 200
