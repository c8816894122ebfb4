"""Tries writes on the API server as dry runs, because a plan asked what would come of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from breakwater.cluster.client import ApiError
from breakwater.cluster.writes import Writer
from breakwater.kernel.dryrun import Answer, DryRun, Sample, write_answers
from breakwater.kernel.measurement import Result
from breakwater.kernel.world import Source


@dataclass(frozen=True, slots=True)
class Tried:
    """What came back, by sample. No verdict: the room that asked knows what it wanted to hear."""

    reason: str
    message: str
    facts: Mapping[str, str] = field(default_factory=dict)
    result: Result = Result.UNKNOWN


class DryRunner:
    """A prober for `DryRun`."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def probe(self, request: DryRun, source: Source, now: datetime) -> Tried:  # noqa: ARG002 - the prober's shape
        """Every sample as often as asked, and all different answers."""
        try:
            facts = {sample.name: write_answers(await self._tried(request, sample)) for sample in request.samples}
        except ApiError as error:
            return Tried("NotAnswered", f"the API server gave no verdict: {error}")
        return Tried("Answered", "the API server answered", facts)

    async def _tried(self, request: DryRun, sample: Sample) -> list[Answer]:
        manifest = orjson.loads(sample.text)
        tries = (self._writer.try_create(request.resource, manifest) for _ in range(request.repeats))
        return list(await asyncio.gather(*tries))
