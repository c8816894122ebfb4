"""The API server's audit log as evidence: who asked for what, with which answer."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

MUTATING_VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})

_REVIEW_GROUPS = frozenset({"authentication.k8s.io", "authorization.k8s.io"})


class AuditLevel(Enum):
    """How much is recorded of requests that touch Secrets or breakwater.dev."""

    OFF = "Off"
    """Nothing at all is recorded, of no request."""
    METADATA = "Metadata"
    """Who, what and when; for benchmarks."""
    BODIES = "RequestResponse"
    """The bodies as well, so that each version of a Secret can be read again later."""


def policy(level: AuditLevel) -> dict[str, Any]:
    """Return the audit policy: metadata of everything, `level` for Secrets and our own kinds."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "omitManagedFields": True,
        "rules": [
            {"level": level.value, "resources": [{"group": "", "resources": ["secrets"]}, {"group": "breakwater.dev"}]},
            {"level": "Metadata"},
        ],
    }


@dataclass(frozen=True)
class AuditEvent:
    """One stage of one request. Bodies stay out of the repr: they may hold Secrets."""

    stage: str
    level: str
    verb: str
    user: str
    user_agent: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    time: dt.datetime
    """When this stage was reached."""
    received: dt.datetime
    """When the request arrived."""
    dry_run: bool
    manager: str
    """The field manager that the request names, "" where it names none."""
    uri: str
    request_object: Any = field(repr=False, default=None)
    response_object: Any = field(repr=False, default=None)

    @classmethod
    def parse(cls, line: bytes) -> AuditEvent:
        """Read one line of the log."""
        return cls.from_json(orjson.loads(line))

    @classmethod
    def from_json(cls, event: Mapping[str, Any]) -> AuditEvent:
        """Read one decoded event; an impersonated user counts as the user."""
        target = event.get("objectRef") or {}
        uri = event.get("requestURI", "")
        query = parse_qs(urlsplit(uri).query)
        return cls(
            stage=event["stage"],
            level=event["level"],
            verb=event["verb"],
            user=(event.get("impersonatedUser") or event["user"]).get("username", ""),
            user_agent=event.get("userAgent", ""),
            group=target.get("apiGroup", ""),
            resource=target.get("resource", ""),
            subresource=target.get("subresource", ""),
            namespace=target.get("namespace", ""),
            name=target.get("name", ""),
            code=(event.get("responseStatus") or {}).get("code", 0),
            time=dt.datetime.fromisoformat(event["stageTimestamp"]),
            received=dt.datetime.fromisoformat(event["requestReceivedTimestamp"]),
            dry_run="All" in query.get("dryRun", ()),
            manager=query.get("fieldManager", [""])[0],
            uri=uri,
            request_object=event.get("requestObject"),
            response_object=event.get("responseObject"),
        )


class AuditLog:
    """The audit log of one control plane; it is read anew, line by line, each time it is asked."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> int:
        """Return the end of the log as an offset for `events(since=...)`."""
        return self.path.stat().st_size if self.path.exists() else 0

    def events(
        self,
        since: int = 0,
        *,
        verb: str | None = None,
        resource: str | None = None,
        user: str | None = None,
        namespace: str | None = None,
        name: str | None = None,
        stage: str | None = "ResponseComplete",
    ) -> Iterator[AuditEvent]:
        """Yield the events after the offset `since` that match every filter given.

        A watch completes when it ends: ask for stage "ResponseStarted" to see those that are open.
        """
        wanted = {
            key: value
            for key, value in (
                ("verb", verb),
                ("resource", resource),
                ("user", user),
                ("namespace", namespace),
                ("name", name),
                ("stage", stage),
            )
            if value is not None
        }
        for line in self._lines(since):
            event = AuditEvent.parse(line)
            if all(getattr(event, key) == value for key, value in wanted.items()):
                yield event

    def _lines(self, since: int) -> Iterator[bytes]:
        if not self.path.exists():
            return
        with self.path.open("rb") as log:
            log.seek(since)
            for line in log:
                if not line.endswith(b"\n"):  # the server is in the middle of writing it
                    return
                yield line


def mutating(events: Iterable[AuditEvent], user: str) -> list[AuditEvent]:
    """Return the completed requests by which `user` meant to change the cluster, successful or not.

    Leases that are held, reviews (questions asked by POST) and dry runs are not changes. Events are.
    """
    return [
        event
        for event in events
        if event.user == user
        and event.stage == "ResponseComplete"
        and event.verb in MUTATING_VERBS
        and not event.dry_run
        and not _is_question(event)
        and not _holds_lease(event)
    ]


def _is_question(event: AuditEvent) -> bool:
    return event.group in _REVIEW_GROUPS and event.resource.endswith("reviews")


def _holds_lease(event: AuditEvent) -> bool:
    return (
        event.group == "coordination.k8s.io"
        and event.resource == "leases"
        and event.verb in {"create", "update", "patch"}
    )
