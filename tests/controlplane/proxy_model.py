"""The words that the fault proxy and the tests share: requests, what selects them, and what befalls them."""

import json
import signal
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, ClassVar, Literal, NamedTuple
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, Field

READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


class Target(NamedTuple):
    """What a request is about, in the words of Kubernetes authorization; empty strings where it says nothing."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def parse_target(method: str, path: str, query: str = "") -> Target:
    """Derive a request's verb and resource from method, path and query, by the API server's own rules."""
    match [part for part in path.split("/") if part]:
        case ["api", version, *rest] if rest:
            group = ""
        case ["apis", group, version, *rest] if rest:
            pass
        case _:
            return Target(method.lower())
    verb = _VERBS.get(method, method.lower())
    if rest[0] == "watch" and len(rest) > 1:  # the deprecated prefix
        verb, rest = "watch", rest[1:]
    namespace = rest[1] if rest[0] == "namespaces" and len(rest) > 1 else ""
    if namespace and len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
        rest = rest[2:]
    resource, name, subresource, *_ = [*rest, "", ""]
    if not name:
        verb, name = _collection(verb, parse_qs(query))
    return Target(verb, group, version, resource, namespace, name, subresource)


def _collection(verb: str, query: Mapping[str, list[str]]) -> tuple[str, str]:
    """Name the verb on a collection, and the one object that a field selector narrows it to."""
    if verb == "delete":
        return "deletecollection", ""
    if verb not in {"get", "watch"}:
        return verb, ""
    watching = verb == "watch" or query.get("watch", ["false"])[0].lower() in {"true", "1", "t"}
    selector = query.get("fieldSelector", [""])[0]
    names = [term.partition("=")[2].lstrip("=") for term in selector.split(",") if term.startswith("metadata.name=")]
    return "watch" if watching else "list", names[0] if names else ""


class Request(BaseModel):
    """One request as the proxy saw it. Times are of the monotonic clock, in seconds, comparable between processes."""

    serial: int  # counts from the proxy's start, never reset
    number: int  # counts from the last reset; 0: begun before it
    write_number: int | None  # place among the requests that the proxy counts as writes
    method: str
    path: str
    query: str
    user_agent: str
    verb: str
    group: str
    version: str
    resource: str
    namespace: str
    name: str
    subresource: str
    mutating: bool
    dry_run: bool  # by the query; DeleteOptions in a body are not read
    started: float
    forwarded: bool = False  # the server may have seen it
    status: int | None = None  # what the server answered, or the proxy in its place
    answered: float | None = None
    finished: float | None = None
    error: str = ""  # why it ended early, where no rule asked for it


class _Words(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Match(_Words):
    """Selects requests; a field left None accepts everything, a tuple any of its values, "" only the empty value."""

    FIELDS: ClassVar = ("verb", "method", "group", "resource", "namespace", "name", "subresource")
    NUMBERS: ClassVar = ("number", "write_number", "mutating", "dry_run")

    verb: str | tuple[str, ...] | None = None
    method: str | tuple[str, ...] | None = None
    group: str | tuple[str, ...] | None = None
    resource: str | tuple[str, ...] | None = None
    namespace: str | tuple[str, ...] | None = None
    name: str | tuple[str, ...] | None = None
    subresource: str | tuple[str, ...] | None = None
    number: int | None = None
    write_number: int | None = None
    mutating: bool | None = None
    dry_run: bool | None = None
    user_agent: str | None = None  # a part of it
    excluding: tuple["Match", ...] = ()

    def accepts(self, request: Request) -> bool:
        """Whether the request is one of those selected."""
        return (
            all(_is_one_of(getattr(self, field), getattr(request, field)) for field in self.FIELDS)
            and all(getattr(self, field) in (None, getattr(request, field)) for field in self.NUMBERS)
            and (self.user_agent is None or self.user_agent in request.user_agent)
            and not any(other.accepts(request) for other in self.excluding)
        )


def _is_one_of(wanted: str | tuple[str, ...] | None, value: str) -> bool:
    return wanted is None or value == wanted or (isinstance(wanted, tuple) and value in wanted)


WRITES = Match(
    mutating=True,
    dry_run=False,
    excluding=(
        Match(group="coordination.k8s.io", resource="leases"),
        Match(group=("authentication.k8s.io", "authorization.k8s.io"), verb="create"),  # reviews store nothing
    ),
)
"""What gets a write number unless a test says otherwise: requests that change something, Lease renewals aside."""

When = Literal["before", "after"]


class Kill(_Words):
    """End the process `pid`, see it dead and answer nothing: before the server sees the request or after its answer.

    An answer is there when its last byte is, that of a watch when its headers are.
    """

    kind: Literal["kill"] = "kill"
    pid: int = Field(gt=1)
    signal: int = signal.SIGKILL
    when: When = "before"


class Stop(_Words):
    """Stop the process `pid` and hold the request, or its answer, until the rule is released or removed.

    Where the request was held before the server saw it, `first` says what a release lets go of first: the process, so
    that it lives on while its request is under way, or the request, so that the process wakes up to the finished deed.
    """

    kind: Literal["stop"] = "stop"
    pid: int = Field(gt=1)
    when: When = "before"
    first: Literal["process", "request"] = "process"


class Answer(_Words):
    """Answer in the server's place, which never sees the request."""

    kind: Literal["answer"] = "answer"
    status: int
    headers: dict[str, str] = {}
    body: str = ""


class Reset(_Words):
    """Reset the TCP connection: of a new request before the server sees it, of a live stream at once."""

    kind: Literal["reset"] = "reset"


class Delay(_Words):
    """Let the server see the request so many seconds later."""

    kind: Literal["delay"] = "delay"
    seconds: float = Field(ge=0)


class Silence(_Words):
    """Keep the connection open and swallow all further bytes of the body, also when the server ends it.

    It outlasts its rule (a stream with a hole in it is nothing that any server sends); another rule may end the stream.
    """

    kind: Literal["silence"] = "silence"


class Cut(_Words):
    """End a watch in good order at the end of a line."""

    kind: Literal["cut"] = "cut"

    def last_words(self) -> bytes:
        """Nothing: the stream just ends."""
        return b""


class WatchError(_Words):
    """End a watch with an ERROR event that holds a Status of this code."""

    kind: Literal["watch_error"] = "watch_error"
    code: int = 410
    message: str = ""

    def last_words(self) -> bytes:
        """Return the event as a line of the stream."""
        return json.dumps({"type": "ERROR", "object": status_object(self.code, self.message)}).encode() + b"\n"


class Truncate(_Words):
    """Close the connection after so many further bytes of the body, one or a few fewer where that would end a line."""

    kind: Literal["truncate"] = "truncate"
    after: int = Field(gt=1)


class Slow(_Words):
    """Pass the body on in pieces of `size` bytes, `interval` seconds apart."""

    kind: Literal["slow"] = "slow"
    size: int = Field(default=1, gt=0)
    interval: float = Field(default=0.01, ge=0)


AtRequest = Kill | Stop | Answer | Reset | Delay
"""What befalls a request on its way to the server, and its answer as a whole."""
AtStream = Reset | Silence | Cut | WatchError | Truncate | Slow
"""What befalls the body of an answer on its way back, also one that is long under way."""
Action = Annotated[AtRequest | AtStream, Field(discriminator="kind")]


class Rule(_Words):
    """What befalls the requests that match, as long as no earlier rule has claimed them.

    It claims `times` requests from the `nth` match on: by default all, for Kill and Stop one. `scope` limits it to the
    streams that are live when it is added, or to the requests that arrive later.
    """

    match: Match
    action: Action
    nth: int = Field(default=1, ge=1)
    times: int | None = Field(default=None, ge=1)
    scope: Literal["all", "live", "new"] = "all"


_REASONS = {410: "Expired", 422: "Invalid", 500: "InternalError", 504: "Timeout"}  # the others are named as in HTTP


def status_object(code: int, message: str = "", retry_after: int | None = None) -> dict[str, object]:
    """Return the Status object by which an API server says no."""
    reason = _REASONS.get(code) or HTTPStatus(code).phrase.replace(" ", "")
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message or f"{reason}: answered by the fault proxy",
        "details": {} if retry_after is None else {"retryAfterSeconds": retry_after},
    }


def refusal(code: int, message: str = "", *, retry_after: int | None = None) -> Answer:
    """Return the answer by which an API server refuses a request; `retry_after` in seconds."""
    headers = {"Content-Type": "application/json"} | ({} if retry_after is None else {"Retry-After": str(retry_after)})
    return Answer(status=code, headers=headers, body=json.dumps(status_object(code, message, retry_after)))
