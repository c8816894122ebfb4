"""Events for people, deduplicated: the same news about the same object is told once an hour."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from breakwater.cluster.client import ApiError
from breakwater.cluster.writes import Writer
from breakwater.kernel.reading import Manifest
from breakwater.kernel.references import EVENT, Resource

log = logging.getLogger(__name__)

REPEAT_AFTER = timedelta(hours=1)
REMEMBERED = 4096
LONGEST_NOTE = 1024  # bytes


@dataclass(frozen=True, slots=True)
class News:
    """One event, before it is written.

    Attributes:
        resource, regarding: the type and the object it is about.
        warning: whether somebody should look.
        reason: CamelCase.
        action: CamelCase, what the operator was doing.
        note: a sentence, without content of Secrets.
    """

    resource: Resource
    regarding: Manifest
    warning: bool
    reason: str
    action: str
    note: str


class Events:
    """Writes events; a failure to do so is logged and never stops anything."""

    def __init__(self, writer: Writer, instance: str) -> None:
        self._writer = writer
        self._instance = instance
        self._told: OrderedDict[str, datetime] = OrderedDict()

    async def tell(self, news: News, now: datetime | None = None) -> None:
        """Write the event unless it was told within the hour."""
        instant = now or datetime.now(UTC)
        if not self._is_new(news, instant):
            return
        manifest = self._manifest(news, instant)
        try:
            await self._writer.create(EVENT, manifest)
        except ApiError as error:
            log.warning("event not written", extra={"reason": news.reason, "error": str(error)})

    def _is_new(self, news: News, now: datetime) -> bool:
        key = _digest(news)
        told = self._told.get(key)
        if told is not None and now - told < REPEAT_AFTER:
            return False
        self._told[key] = now
        self._told.move_to_end(key)
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return True

    def _manifest(self, news: News, now: datetime) -> Manifest:
        metadata = news.regarding["metadata"]
        # Events about cluster-scoped objects live in `default`: that is where kubectl describe looks.
        namespace = metadata.get("namespace") or "default"
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {"namespace": namespace, "name": f"{metadata['name'][:200]}.{_digest(news)[:8]}{now:%H%M%S%f}"},
            "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "reportingController": "breakwater.dev/operator",
            "reportingInstance": self._instance[:128],
            "type": "Warning" if news.warning else "Normal",
            "reason": news.reason[:128],
            "action": news.action[:128],
            "note": news.note.encode()[:LONGEST_NOTE].decode(errors="ignore"),
            "regarding": {
                "apiVersion": news.resource.api_version,
                "kind": news.resource.kind,
                "name": metadata["name"],
                "namespace": metadata.get("namespace", ""),
                "uid": metadata.get("uid", ""),
            },
        }


def _digest(news: News) -> str:
    about = (news.resource.kind, news.regarding["metadata"].get("uid", ""), news.reason, news.action, news.note)
    return hashlib.blake2b(repr(about).encode(), digest_size=16).hexdigest()
