"""A TCP connection to one judged address that can neither be read without end nor be left open."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from breakwater.probes.address import Address
from breakwater.probes.reasons import ProbeFailed, Reason

# Above the 100 KiB that OpenSSL accepts as a chain, in whatever records it comes.
BUDGET = 192 * 1024
_CHUNK = 16 * 1024
_TLS_RECORD_TYPES = range(20, 24)


class Stream:
    """Bytes to and from one peer.

    Attributes:
        address, port: where it is connected to.
        received: bytes read so far.
        opening: the first bytes that the peer sent, enough to tell TLS from anything else.
    """

    def __init__(self, sock: socket.socket, address: Address, port: int) -> None:
        self._socket = sock
        self.address = address
        self.port = port
        self.received = 0
        self.opening = b""

    async def read(self) -> bytes:
        """The next bytes; nothing at the end of the stream.

        Raises:
            ProbeFailed: TooMuchData once the budget is spent; ConnectionClosed when the peer resets the connection.
        """
        if self.received >= BUDGET:
            raise ProbeFailed(Reason.TOO_MUCH_DATA, bytes=BUDGET)
        try:
            data = await asyncio.get_running_loop().sock_recv(self._socket, _CHUNK)
        except OSError:
            raise self.closed() from None
        self.received += len(data)
        if len(self.opening) < 2:
            self.opening = (self.opening + data)[:2]
        return data

    async def write(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            ProbeFailed: ConnectionClosed when the peer is gone.
        """
        try:
            await asyncio.get_running_loop().sock_sendall(self._socket, data)
        except OSError:
            raise self.closed() from None

    @property
    def is_plaintext(self) -> bool:
        """Whether the peer's first bytes cannot be a TLS record."""
        kind, major = self.opening[:1], self.opening[1:2]
        return (bool(kind) and kind[0] not in _TLS_RECORD_TYPES) or (bool(major) and major != b"\x03")

    def closed(self) -> ProbeFailed:
        """The outcome where the peer hangs up."""
        return ProbeFailed(Reason.CONNECTION_CLOSED, address=str(self.address), port=self.port)


@asynccontextmanager
async def connected(address: Address, port: int, patience: float) -> AsyncIterator[Stream]:
    """Connect to exactly this address within `patience` seconds, and close whatever happens.

    Raises:
        ProbeFailed: ConnectFailed with the symbolic error number, or ConnectTimedOut.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
        try:
            async with asyncio.timeout(patience):
                await asyncio.get_running_loop().sock_connect(sock, (str(address), port))
        except TimeoutError:
            seconds = f"{patience:g}"
            raise ProbeFailed(Reason.CONNECT_TIMED_OUT, address=str(address), port=port, seconds=seconds) from None
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, "EIO")
            raise ProbeFailed(Reason.CONNECT_FAILED, address=str(address), port=port, error=name) from None
        yield Stream(sock, address, port)
