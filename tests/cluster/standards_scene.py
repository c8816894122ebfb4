"""The standards on a real API server: one policy for each wording, each in a namespace of its own."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import pytest

from breakwater.hardening.standards import NEWEST, Level, Version, checks, policy_validations
from tests.cluster.dry_runs import Answer, DryRuns
from tests.controlplane import Cluster
from tests.standards.policies import STANDARD, bindings, namespace, policy, policy_name
from tests.standards.samples import Sample, by_standard

LATEST = (Level.RESTRICTED, NEWEST)
MARKER: dict[str, Any] = {"spec": {"hostPID": True, "containers": [{"name": "app", "image": "app"}]}}
"""Refused by every policy: as soon as it is, the policy counts."""

_WARNED = re.compile(r"Validation failed for ValidatingAdmissionPolicy '[^']+' with binding '[^']+': (\w+): .*")


class Wording(NamedTuple):
    """Versions of a level that say the same; the newest of them stands for all."""

    level: Level
    version: Version
    versions: tuple[Version, ...]

    @property
    def namespace(self) -> str:
        """Where its policy counts."""
        return policy_name(self.level, self.version)


@cache
def wordings() -> tuple[Wording, ...]:
    """Every policy that differs from the others; together they are all levels and versions."""
    found: dict[tuple[Level, str], list[Version]] = {}
    for level, version in by_standard():
        found.setdefault((level, json.dumps(policy_validations(checks(level, version)))), []).append(version)
    return tuple(Wording(level, max(versions), tuple(versions)) for (level, _), versions in found.items())


@pytest.fixture(scope="session")
def standards(controlplane: Cluster) -> Iterator[Cluster]:
    """The shared cluster with all policies bound, each to a namespace that nobody else looks at, and counting."""
    cluster = controlplane
    standards = [(wording.level, wording.version) for wording in wordings()]
    cluster.apply([namespace(*standard) for standard in standards])
    cluster.apply([policy(*standard) for standard in standards])
    cluster.apply([binding for standard in standards for binding in bindings(*standard)])
    try:
        asyncio.run(_count(cluster))
        yield cluster
    finally:
        for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
            collection = f"/apis/admissionregistration.k8s.io/v1/{kind}?labelSelector={STANDARD}"
            cluster.kubectl("delete", "--raw", collection)


async def _count(cluster: Cluster) -> None:
    async with DryRuns(cluster.admin_kubeconfig) as client:
        for wording in wordings():
            await until_refused(client, wording.namespace)


async def until_refused(client: DryRuns, namespace: str) -> None:
    """Wait until the policy of a namespace counts, with both of its bindings."""
    async with asyncio.timeout(60):
        while True:
            answer = await client.create_one(namespace, MARKER)
            if answer.code == 403 and by_server(answer):
                return
            await asyncio.sleep(0.05)


def judged(cluster: Cluster) -> dict[tuple[Wording, str], tuple[Answer, list[Sample]]]:
    """The API server's answer to every sample, by the policy of the sample's own version; equal pods are asked once."""
    asked: dict[tuple[Wording, str], list[Sample]] = {}
    for wording in wordings():
        for version in wording.versions:
            for sample in by_standard()[wording.level, version]:
                asked.setdefault((wording, json.dumps(sample.pod)), []).append(sample)
    answers = asyncio.run(_ask(cluster, [(wording.namespace, json.loads(text)) for wording, text in asked]))
    return {key: (answer, asked[key]) for key, answer in zip(asked, answers, strict=True)}


async def _ask(cluster: Cluster, pods: list[tuple[str, Mapping[str, Any]]]) -> list[Answer]:
    async with DryRuns(cluster.admin_kubeconfig) as client:
        return await client.create(pods)


def by_python(level: Level, version: Version, pod: Mapping[str, Any]) -> tuple[str, ...]:
    """Ids of the checks that Python finds violated."""
    return tuple(check.id for check in checks(level, version) if check.violations(pod))


def by_server(answer: Answer) -> tuple[str, ...]:
    """Ids of the checks that the API server's expressions found violated, of the warnings beside its answer."""
    found = (_WARNED.fullmatch(warning) for warning in answer.warnings)
    return tuple(match[1] for match in found if match)


def by_podsecurity(answer: Answer) -> bool:
    """Whether Kubernetes' own admission finds a violation, of its warning beside the API server's answer."""
    return any(warning.startswith("would violate PodSecurity ") for warning in answer.warnings)
