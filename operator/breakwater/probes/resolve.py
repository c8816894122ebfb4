"""Names to addresses, once: what is judged is what is connected to, so a second answer of the DNS changes nothing."""

from __future__ import annotations

import asyncio
import socket
import threading
from ipaddress import ip_address

from breakwater.probes.address import Address
from breakwater.probes.reasons import ProbeFailed, Reason
from breakwater.probes.request import is_ip

# A name server that never answers holds a thread for up to half a minute, longer than any probe waits.
MOST_LOOKUPS = 32
_lookups = threading.BoundedSemaphore(MOST_LOOKUPS)

_ERRORS = {value: name for name, value in vars(socket).items() if name.startswith("EAI_")}

Answer = tuple[Address, ...]


async def resolve(name: str, patience: float) -> Answer:
    """All addresses of a host name, in the resolver's order, each once; an IP address is its own answer.

    A name with a dot is looked up as absolute: with a pod's search path `db.example.com` could mean a Service
    `example` in a namespace `com`, which is a tenant's to create.

    Args:
        name: a DNS name or an IP address.
        patience: seconds.

    Raises:
        ProbeFailed: ResolutionFailed with the resolver's error code, TIMEOUT, or BUSY when too many lookups hang.
    """
    if is_ip(name):
        return (ip_address(name),)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Answer] = loop.create_future()

    def settle(outcome: Answer | OSError) -> None:
        if answer.done():
            return
        if isinstance(outcome, OSError):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)

    def work() -> None:
        try:
            outcome = _look_up(f"{name}." if "." in name else name)
        finally:
            _lookups.release()
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, outcome)

    if not _lookups.acquire(blocking=False):
        raise ProbeFailed(Reason.RESOLUTION_FAILED, name=name, error="BUSY")
    # A daemon, unlike the threads of an executor, does not hold up the operator's exit.
    threading.Thread(target=work, name="probe-resolve", daemon=True).start()
    try:
        async with asyncio.timeout(patience):
            return await answer
    except TimeoutError:
        raise ProbeFailed(Reason.RESOLUTION_FAILED, name=name, error="TIMEOUT") from None
    except OSError as error:
        code = _ERRORS.get(error.errno or 0, "ERROR")
        raise ProbeFailed(Reason.RESOLUTION_FAILED, name=name, error=code) from None


def _look_up(name: str) -> Answer | OSError:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    # The port-less sockaddr begins with the address; a zone behind % is no part of what DNS says.
    texts = dict.fromkeys(str(sockaddr[0]).partition("%")[0] for *_, sockaddr in found)
    return tuple(ip_address(text) for text in texts)
