"""All versions of all keys and passwords that the API server ever stored, from its audit log.

The oracle of tests that disturb the operator: whatever happened to it, no key was made twice and none was lost. Keys
and passwords are known by their digests only; nothing here can show one.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.controlplane import AuditEvent

OURS = {"app.kubernetes.io/managed-by": "breakwater"}
RELEASED = "breakwater.dev/released"
GENERATION = "breakwater.dev/generation"
SUBJECT = "breakwater.dev/subject"
USE = "breakwater.dev/use"

Place = tuple[str, str]
"""Namespace and name, whichever uid the Secret had under them."""


@dataclass(frozen=True)
class Version:
    """One stored version of a Secret of ours; what it holds is digests, empty where there is none."""

    place: Place
    use: str
    generation: str
    key: str
    certificate: str
    password: str

    @classmethod
    def of(cls, secret: Mapping[str, Any]) -> Version:
        metadata = secret["metadata"]
        annotations = metadata.get("annotations") or {}
        data = secret.get("data") or {}
        return cls(
            (metadata["namespace"], metadata["name"]),
            annotations.get(USE, ""),
            annotations.get(GENERATION, ""),
            *(_digest(data.get(key, "")) for key in ("tls.key", "tls.crt", "password")),
        )


class KeyHistory:
    """The versions in the order in which they were stored."""

    def __init__(self, events: Iterable[AuditEvent]) -> None:
        self._places: dict[Place, list[Version]] = defaultdict(list)
        for secret in _stored(events):
            version = Version.of(secret)
            self._places[version.place].append(version)

    def faults(self) -> list[str]:
        """What must never have happened, as sentences; empty when all is well."""
        return [fault for place, versions in self._places.items() for fault in _faults("/".join(place), versions)]

    def generations(self, place: Place) -> list[str]:
        """The generations that stood there, in order, each once."""
        return list(dict.fromkeys(version.generation for version in self._places[place] if version.key))

    def __len__(self) -> int:
        return sum(map(len, self._places.values()))


def orphans(secrets: Iterable[Mapping[str, Any]], declarations: Iterable[Mapping[str, Any]]) -> list[str]:
    """Secrets of ours that belong to no living declaration and do not say that they were released."""
    living = {_subject(item) for item in declarations}
    return [
        f"{secret['metadata']['namespace']}/{secret['metadata']['name']}"
        for secret in secrets
        if _is_ours(secret)
        and RELEASED not in secret["metadata"]["labels"]
        and (secret["metadata"].get("annotations") or {}).get(SUBJECT) not in living
    ]


def _faults(place: str, versions: list[Version]) -> Iterator[str]:
    keys = _by(versions, "generation", "key")
    yield from (f"{place}: {len(found)} keys in generation {one!r}" for one, found in keys.items() if len(found) > 1)
    again = _by(versions, "key", "generation")
    yield from (f"{place}: one key in generations {sorted(found)}" for found in again.values() if len(found) > 1)
    certificates = _by(versions, "key", "certificate")
    yield from (f"{place}: {len(found)} certificates for one key" for found in certificates.values() if len(found) > 1)
    roots = {version.key for version in versions if version.use == "Root" and version.key}
    if len(roots) > 1:
        yield f"{place}: {len(roots)} roots"
    if len({version.password for version in versions if version.password}) > 1:
        yield f"{place}: more than one password"
    for field in ("key", "certificate", "password"):
        held = [bool(getattr(version, field)) for version in versions]
        if any(before and not after for before, after in itertools.pairwise(held)):
            yield f"{place}: a {field} was lost"


def _by(versions: list[Version], group: str, value: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for version in versions:
        if version.key:
            found[getattr(version, group)].add(getattr(version, value))
    return found


def _stored(events: Iterable[AuditEvent]) -> Iterator[Mapping[str, Any]]:
    for event in events:
        changed = event.resource == "secrets" and event.verb in {"create", "update", "patch"}
        if changed and not event.dry_run and event.code in {200, 201} and _is_ours(event.response_object):
            yield event.response_object


def _is_ours(secret: Mapping[str, Any]) -> bool:
    return OURS.items() <= (secret["metadata"].get("labels") or {}).items()


def _subject(declaration: Mapping[str, Any]) -> str:
    metadata = declaration["metadata"]
    return "/".join(filter(None, (declaration["kind"], metadata.get("namespace"), metadata["name"])))


def _digest(value: str) -> str:
    return hashlib.sha256(base64.b64decode(value)).hexdigest() if value else ""
