"""Trying a write on the API server without writing: what is asked, and what came back.

Rooms do not talk to the API server; they ask for a measurement, and judge its answers themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from breakwater.kernel.references import Resource


@dataclass(frozen=True, slots=True)
class Sample:
    """One object to try.

    Attributes:
        name: under which its answers are found.
        text: its manifest in JSON.
    """

    name: str
    text: bytes

    @classmethod
    def of(cls, name: str, manifest: Mapping[str, Any]) -> Sample:
        """Write the manifest down."""
        return cls(name, orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS))


@dataclass(frozen=True, slots=True)
class DryRun:
    """Samples to be created with `dryRun=All`.

    Attributes:
        resource: their type.
        namespace: where.
        samples: each is tried on its own.
        repeats: how often each is tried, at once and hence over several connections: behind one address may stand
            several API servers, which learn of a change one after the other.
    """

    resource: Resource
    namespace: str
    samples: tuple[Sample, ...]
    repeats: int

    def digest(self) -> str:
        """A short name of all of it."""
        parts = [self.resource.api_version, self.resource.plural, self.namespace, str(self.repeats)]
        texts = [b"%s=%s" % (sample.name.encode(), sample.text) for sample in self.samples]
        return sha256(b"\n".join([*(part.encode() for part in parts), *texts])).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said to one try.

    Attributes:
        code: HTTP status; 201 where it would have been created.
        message: why it was refused.
        warnings: in the order in which they came.
        annotations, spec: of the object as admission left it; empty where it was refused.
    """

    code: int
    message: str
    warnings: tuple[str, ...]
    annotations: Mapping[str, str]
    spec: Mapping[str, Any]

    @property
    def is_admitted(self) -> bool:
        """Whether it would have been created."""
        return 200 <= self.code < 300


def write_answers(answers: list[Answer]) -> str:
    """As a finding's facts hold them: each different one once."""
    texts = {orjson.dumps(_written(answer), option=orjson.OPT_SORT_KEYS): None for answer in answers}
    return f"[{','.join(sorted(text.decode() for text in texts))}]"


def _written(answer: Answer) -> dict[str, Any]:
    return {
        "code": answer.code,
        "message": answer.message,
        "warnings": answer.warnings,
        "annotations": dict(answer.annotations),
        "spec": dict(answer.spec),
    }


def read_answers(text: str) -> tuple[Answer, ...]:
    """Read back what `write_answers` wrote."""
    return tuple(Answer(**{**item, "warnings": tuple(item["warnings"])}) for item in orjson.loads(text))
