from __future__ import annotations

import asyncio
import socket
import threading
import time
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from breakwater.kernel.measurement import Result
from breakwater.probes import resolve as resolving
from breakwater.probes.address import AddressContext
from breakwater.probes.measure import measure
from breakwater.probes.reasons import ProbeFailed, Reason
from breakwater.probes.request import Addresses, Hostname, TlsProbe
from breakwater.probes.resolve import resolve
from tests.unit.probes.authority import NOW, Authority
from tests.unit.probes.conftest import NAME, Run
from tests.unit.probes.servers import server_context, tls_server

TARGET = Hostname("db.example.com")


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The answers to come, the last one for ever; what was asked is appended to `asked`."""
    answers: list[list[str]] = []

    def getaddrinfo(name: str, port: None, **_: Any) -> list[tuple[Any, ...]]:
        assert name == "db.example.com."
        texts = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(0, 0, 0, "", (text, 0) if ":" not in text else (text, 0, 0, 0)) for text in texts]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return answers


async def test_a_name_without_any_allowance_is_not_even_resolved(
    run: Run, probe: TlsProbe, dns: list[list[str]]
) -> None:
    asked = TlsProbe(protocol="TLS", server_name=NAME, port=443, target=TARGET)
    result = await measure(asked, AddressContext(), NOW)  # `dns` holds no answer: a question would raise
    assert (result.result, result.reason) == (Result.UNKNOWN, Reason.REFUSED)
    assert "--probe-allow" in result.message


async def test_the_address_that_was_judged_is_the_one_connected_to(
    authority: Authority, run: Run, dns: list[list[str]]
) -> None:
    # The second answer would lead elsewhere: a rebinding name server.
    dns.extend([["127.0.0.1"], ["127.0.0.99"]])
    async with tls_server(server_context(authority.issue(NAME))) as server:
        result = await run(port=server.port, target=TARGET)
    assert (result.reason, result.facts["address"]) == (Reason.VERIFIED, "127.0.0.1")
    assert len(dns) == 1


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (["127.0.0.1", "169.254.169.254"], "METADATA"),
        (["127.0.0.1", "203.0.113.5"], "NOT_PROVEN"),
        (["203.0.113.5", "127.0.0.1"], "NOT_PROVEN"),
        (["127.0.0.1", "::1"], "LOOPBACK"),
        (["127.0.0.1", "fe80::1%2"], "LINK_LOCAL"),
    ],
)
async def test_one_refused_address_refuses_the_whole_answer(
    authority: Authority, run: Run, dns: list[list[str]], answer: list[str], refusal: str
) -> None:
    dns.append(answer)
    async with tls_server(server_context(authority.issue(NAME))) as server:
        result = await run(port=server.port, target=TARGET)
    assert (result.reason, result.facts["refusal"]) == (Reason.REFUSED, refusal)
    assert server.heard == []


@pytest.mark.parametrize("ip", ["127.0.0.1", "::ffff:127.0.0.1", "::1", "169.254.169.254", "10.1.0.7", "10.96.0.1"])
async def test_a_proven_address_that_is_protected_is_refused_without_a_connection(
    authority: Authority, probe: TlsProbe, ip: str
) -> None:
    context = AddressContext(
        allow=(ip_network("0.0.0.0/0"),),
        nodes=frozenset({ip_address("10.1.0.7")}),
        api_server=frozenset({ip_address("10.96.0.1")}),
    )
    async with tls_server(server_context(authority.issue(NAME))) as server:
        asked = TlsProbe(protocol="TLS", server_name=NAME, port=server.port, target=Addresses((ip,)))
        result = await measure(asked, context, NOW)
    assert (result.result, result.reason) == (Result.UNKNOWN, Reason.REFUSED)
    assert server.heard == []


async def test_the_addresses_of_a_name_are_alternatives(authority: Authority, run: Run, dns: list[list[str]]) -> None:
    dns.append(["127.0.0.9", "127.0.0.8", "127.0.0.1"])
    async with tls_server(server_context(authority.issue(NAME))) as server:
        result = await run(port=server.port, target=TARGET)
    assert (result.reason, result.facts["address"]) == (Reason.VERIFIED, "127.0.0.1")


@pytest.mark.parametrize(
    ("code", "name"), [(socket.EAI_NONAME, "EAI_NONAME"), (socket.EAI_AGAIN, "EAI_AGAIN"), (-99, "ERROR")]
)
async def test_a_failed_lookup_is_unknown_with_the_resolvers_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, code: int, name: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise socket.gaierror(code, "text of the system")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    result = await run(target=TARGET)
    assert (result.result, result.reason) == (Result.UNKNOWN, Reason.RESOLUTION_FAILED)
    assert f"({name})" in result.message


async def test_a_name_server_that_never_answers_holds_up_neither_the_probe_nor_others(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def hang(*_: Any, **__: Any) -> list[Any]:
        release.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        began = time.monotonic()
        result = await run(target=TARGET, timeout=0.2)
        assert (result.reason, "(TIMEOUT)" in result.message) == (Reason.RESOLUTION_FAILED, True)
        assert time.monotonic() - began < 1
        lookups = [asyncio.ensure_future(resolve("db.example.com", 0.2)) for _ in range(resolving.MOST_LOOKUPS)]
        outcomes = await asyncio.gather(*lookups, return_exceptions=True)
        assert [one.values["error"] for one in outcomes if isinstance(one, ProbeFailed)].count("BUSY") == 1
    finally:
        release.set()
        for thread in threading.enumerate():
            if thread.name == "probe-resolve":
                thread.join(5)
    assert resolving._lookups._value == resolving.MOST_LOOKUPS


async def test_a_name_with_a_dot_is_absolute_and_one_without_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(name: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(name)
        return [(0, 0, 0, "", ("127.0.0.1", 0)), (0, 0, 0, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", note)
    assert await resolve("db.example.com", 1) == (ip_address("127.0.0.1"),)
    await resolve("localhost", 1)
    assert asked == ["db.example.com.", "localhost"]


@pytest.mark.parametrize("ip", ["127.0.0.1", "2001:db8::5"])
async def test_an_address_in_the_place_of_a_name_is_its_own_answer_and_no_question(
    ip: str, dns: list[list[str]]
) -> None:
    assert await resolve(Hostname(ip).name, 1) == (ip_address(ip),)  # `dns` holds no answer: a question would raise


async def test_localhost_resolves_for_real() -> None:
    assert ip_address("127.0.0.1") in await resolve("localhost", 5)


async def test_a_numeric_spelling_as_name_leads_nowhere(run: Run) -> None:
    assert (await run(target=Hostname("127.1"))).reason is Reason.RESOLUTION_FAILED
    decimal = await measure(
        TlsProbe(protocol="TLS", server_name=NAME, port=9, target=Hostname("2130706433")),
        AddressContext(allow=(ip_network("10.0.0.0/8"),)),
        NOW,
    )
    assert decimal.reason is Reason.REFUSED
