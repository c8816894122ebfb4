"""What HTTPS adds to TLS: servers that judge client certificates, or refuse plaintext, by an HTTP status.

nginx completes the handshake with whatever certificate, or none, and answers 400 afterwards; a handshake alone would
prove nothing there.
"""

from __future__ import annotations

import re
from urllib.parse import quote

MOST_ANSWER = 8 * 1024
END_OF_HEADERS = b"\r\n\r\n"
OFFER = ("h2", "http/1.1")
"""What clients of the web offer."""
ALPN = ("http/1.1",)
"""What is offered where a request of ours may follow."""

# 495 and 496 are nginx's own for a bad and a missing client certificate.
CERTIFICATE_REJECTED = frozenset({400, 495, 496})
UNAUTHENTICATED = CERTIFICATE_REJECTED | {401, 403}
SERVER_ERROR = 500

# What a server says where it serves no plaintext: nginx's and Apache's 400 (497 is nginx's own name for it), "upgrade
# required", "misdirected request". Others, 401 above all, are answers of a server that does serve, or would.
_NOT_WITHOUT_TLS = frozenset({400, 421, 426, 497})
_MOVED = frozenset({301, 302, 303, 307, 308})

_IN_PATHS = "/!$&'()*+,;=:@%-._~"
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\r|\n|$)")
_TO_HTTPS = re.compile(rb"\r?\nlocation:[ \t]*https://", re.IGNORECASE)


def head_request(host: str) -> bytes:
    """The request with the least effect that every server answers, without any credential in it."""
    return request("HEAD", host, "/")


def request(method: str, host: str, path: str) -> bytes:
    """A request without a body. What could end a line, or the request line's path, is escaped."""
    authority = f"[{host}]" if ":" in host else host
    head = f"{method} {quote(path, safe=_IN_PATHS)} HTTP/1.1", f"Host: {quote(authority, safe='[]:')}"
    return "\r\n".join((*head, "User-Agent: breakwater", "Connection: close", "", "")).encode()


def status_of(answer: bytes) -> int | None:
    """The status code of an answer; None if it is not HTTP/1."""
    found = _STATUS_LINE.match(answer)
    return int(found[1]) if found else None


def turns_away(answer: bytes) -> bool:
    """Whether an answer without TLS serves nothing: the request is wrong on this port, or the way leads to https://."""
    status = status_of(answer)
    return status in _NOT_WITHOUT_TLS or (status in _MOVED and _TO_HTTPS.search(answer) is not None)
