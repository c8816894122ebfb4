"""What a browser meets at an ingress: Strict-Transport-Security on https and not on http, and the way to https.

The certificate is not verified: that is what channels are for, and a zone knows no trust. Nothing secret is sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from breakwater.probes import https
from breakwater.probes.address import Address, AddressContext
from breakwater.probes.contexts import observing
from breakwater.probes.measure import SEVERITY, admit
from breakwater.probes.reasons import MeasurementResult, ProbeFailed, Reason, conclude
from breakwater.probes.request import DEFAULT_TIMEOUT, Hostname, TlsVersion, is_ip
from breakwater.probes.stream import connected
from breakwater.probes.tls import Session

HTTP, HTTPS = 80, 443
MOST_PLACES = 4
MOST_HEAD = 64 * 1024
"""Some applications send policies and cookies of many kilobytes before the header that is looked for."""
_SHARE = 0.5
_HEADER = b"strict-transport-security"
_DIGITS = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Sts:
    """A Strict-Transport-Security header (RFC 6797); `max_age` in seconds."""

    max_age: int
    include_sub_domains: bool = False
    preload: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A host of an ingress, with a path that its rules know."""

    host: str
    path: str = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebProbe:
    """What is to hold for each of these places, at each of these addresses.

    Attributes:
        addresses: of the ingress engine: DNS names or IP addresses.
        sts: the header that https must carry; None where it is the redirect that is asked for.
        statuses: the codes of a right redirect.
        timeout: seconds for everything together.
    """

    places: tuple[Place, ...]
    addresses: tuple[str, ...]
    sts: Sts | None = None
    statuses: tuple[int, ...] = ()
    timeout: float = DEFAULT_TIMEOUT

    def digest(self) -> str:
        """Name the question, the same in every process and release."""
        meaning = {key: value for key, value in asdict(self).items() if key != "timeout"}
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an HTTP answer; header names in lower case, the first value of each counts."""

    status: int
    headers: Mapping[bytes, bytes]


async def look(probe: WebProbe, context: AddressContext) -> MeasurementResult:
    """Measure once: the worst of all places and addresses. It ends within the probe's time limit."""
    found: list[MeasurementResult] = []
    try:
        async with asyncio.timeout(probe.timeout):
            for name in probe.addresses[:MOST_PLACES]:
                addresses = await admit(Hostname(name), context, probe.timeout * _SHARE)
                found += [await _look_at(probe, place, addresses[0]) for place in probe.places[:MOST_PLACES]]
    except ProbeFailed as failure:
        found.append(conclude(failure.reason, failure.facts, **_known(probe) | failure.values))
    except TimeoutError:
        found.append(conclude(Reason.TIMED_OUT, **_known(probe)))
    return max(found, key=lambda result: SEVERITY[result.result])


def _known(probe: WebProbe) -> dict[str, Any]:
    port = HTTPS if probe.sts else HTTP
    known = {"address": probe.addresses[0], "port": port, "seconds": f"{probe.timeout:g}"}
    return known | {"name": probe.places[0].host, "minimum": TlsVersion.V1_2}


async def _look_at(probe: WebProbe, place: Place, address: Address) -> MeasurementResult:
    if probe.sts is not None:
        return await _hsts(probe.sts, place, address, probe.timeout)
    return _redirect(probe.statuses, _named(place, address), await _ask(place, address, HTTP, "GET", probe.timeout))


async def _hsts(wanted: Sts, place: Place, address: Address, patience: float) -> MeasurementResult:
    answer = await _ask(place, address, HTTPS, "HEAD", patience)
    name = _named(place, address)
    sent = parse_sts(answer.headers.get(_HEADER, b""))
    if sent is None:
        return conclude(Reason.HSTS_MISSING, name=name, status=answer.status)
    if sent != wanted:
        flags = {"subdomains": _flag(sent.include_sub_domains), "preload": _flag(sent.preload)}
        return conclude(Reason.HSTS_DIFFERS, None, name=name, age=sent.max_age, **flags)
    if await _is_sent_on_http(place, address, patience):
        return conclude(Reason.HSTS_ON_HTTP, name=name)
    return conclude(Reason.HSTS_SENT, name=name, age=sent.max_age)


async def _is_sent_on_http(place: Place, address: Address, patience: float) -> bool:
    try:
        answer = await _ask(place, address, HTTP, "HEAD", patience)
    except ProbeFailed:
        return False  # nobody answers there: nothing is sent
    return _HEADER in answer.headers


def _redirect(statuses: tuple[int, ...], name: str, answer: Answer) -> MeasurementResult:
    location = answer.headers.get(b"location", b"").decode("latin-1")
    if not 300 <= answer.status < 400 or not location:
        return conclude(Reason.NOT_REDIRECTED, name=name, status=answer.status)
    try:
        target = urlsplit(location)
        same = target.scheme == "https" and (target.hostname or "") == name.lower()
    except ValueError:
        same = False
    if not same:
        return conclude(Reason.REDIRECTED_ELSEWHERE, name=name)
    if answer.status not in statuses:
        return conclude(Reason.REDIRECT_STATUS, name=name, status=answer.status, expected=statuses[0])
    return conclude(Reason.REDIRECTED, name=name, status=answer.status)


def _named(place: Place, address: Address) -> str:
    return place.host or str(address)


def _flag(value: bool) -> str:
    return str(value).lower()


async def _ask(place: Place, address: Address, port: int, method: str, patience: float) -> Answer:
    """One request and the head of its answer.

    Raises:
        ProbeFailed: with the reason.
    """
    request = https.request(method, _named(place, address), place.path)
    async with AsyncExitStack() as stack:
        stream = await stack.enter_async_context(connected(address, port, patience * _SHARE))
        if port == HTTP:
            await stream.write(request)
            head = b""
            while https.END_OF_HEADERS not in head and len(head) < MOST_HEAD:
                data = await stream.read()
                if not data:
                    break
                head += data
        else:
            session = Session(stream, await asyncio.to_thread(_context), _server_name(place.host))
            await session.handshake()
            head = await session.exchange(request, MOST_HEAD, https.END_OF_HEADERS)
            await session.farewell()
    if https.END_OF_HEADERS not in head and len(head) >= MOST_HEAD:
        raise ProbeFailed(Reason.TOO_MUCH_DATA, bytes=MOST_HEAD)
    status = https.status_of(head)
    if status is None:
        raise stream.closed()
    return Answer(status, _headers(head))


def _context() -> ssl.SSLContext:
    context = observing()
    context.set_alpn_protocols(list(https.ALPN))
    return context


def _server_name(host: str) -> str | None:
    return host if host and not is_ip(host) else None


def _headers(head: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for line in head.partition(https.END_OF_HEADERS)[0].split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    return found


def parse_sts(value: bytes) -> Sts | None:
    """The header as browsers read it (RFC 6797 section 6.1); None where they would ignore it."""
    directives: dict[str, str] = {}
    for part in value.decode("latin-1").split(";"):
        name, _, given = part.strip().partition("=")
        name = name.strip().lower()
        if not name:
            continue
        if name in directives:
            return None
        directives[name] = given.strip().removeprefix('"').removesuffix('"')
    age = directives.get("max-age", "")
    if not _DIGITS.fullmatch(age):
        return None
    return Sts(int(age), "includesubdomains" in directives, "preload" in directives)
