"""One address on trial: how it is connected to, and what is known about it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from breakwater.probes.address import Address
from breakwater.probes.reasons import MeasurementResult, ProbeFailed, Reason, Value, conclude
from breakwater.probes.request import TlsProbe
from breakwater.probes.stream import Stream, connected
from breakwater.probes.tls import Session


@dataclass(frozen=True, slots=True)
class Attempt:
    """A probe against one judged address.

    Attributes:
        probe: what the channel declares.
        address: where to connect, exactly.
        patience: seconds for each TCP connection.
    """

    probe: TlsProbe
    address: Address
    patience: float

    def connected(self) -> AbstractAsyncContextManager[Stream]:
        """A TCP connection, closed on the way out."""
        return connected(self.address, self.probe.port, self.patience)

    @asynccontextmanager
    async def session(self, build: Callable[[], ssl.SSLContext]) -> AsyncIterator[Session]:
        """A TLS session before its handshake. A protocol that negotiates TLS first (StartTLS) does it here."""
        context = await asyncio.to_thread(build)
        async with self.connected() as stream:
            session = Session(stream, context, self.probe.server_name)
            yield session
            await session.farewell()

    def facts(self, session: Session, *, verified: bool) -> dict[str, str]:
        """What a session showed, with where it was seen."""
        return session.facts(self.probe.alpn) | {
            "address": str(self.address),
            "name": self.probe.server_name,
            "chainVerified": str(verified).lower(),
        }

    def conclude(self, reason: Reason, facts: Mapping[str, str] | None = None, **values: Value) -> MeasurementResult:
        """Put a reason into words, with what the attempt itself knows at hand."""
        known: dict[str, Value] = {
            "address": str(self.address),
            "port": self.probe.port,
            "name": self.probe.server_name,
            "minimum": self.probe.minimum_version,
            "seconds": f"{self.probe.timeout:g}",
        }
        return conclude(reason, {"address": str(self.address)} | dict(facts or {}), **(known | values))

    def explain(self, failure: ProbeFailed) -> MeasurementResult:
        """Put an early end into words."""
        return self.conclude(failure.reason, failure.facts, **failure.values)
