"""Many requests at once as the administrator, answers and all: for tests that store things by the hundred."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Self

import pykube

GROUP = "/apis/breakwater.dev/v1alpha1"
MERGE = "application/merge-patch+json"


class Answer(NamedTuple):
    """What the API server said."""

    code: int
    body: Mapping[str, Any]


class BulkClient:
    """Eight requests at a time; a connection for each."""

    def __init__(self, kubeconfig: Path) -> None:
        self._api = pykube.HTTPClient(pykube.KubeConfig.from_file(str(kubeconfig)), timeout=60)
        self._pool = ThreadPoolExecutor(8)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        self._api.session.close()

    def create(self, manifests: Iterable[Mapping[str, Any]]) -> list[Answer]:
        """POST them all."""
        return list(self._pool.map(self._create, manifests))

    def patch_status(self, changes: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> list[Answer]:
        """Give each of these objects that status."""
        return list(self._pool.map(self._patch_status, changes))

    def items(self, path: str) -> list[dict[str, Any]]:
        """All objects of a type, of whatever namespace."""
        answer = self._api.session.get(f"{self._api.url}{path}")
        answer.raise_for_status()
        return list(answer.json()["items"])

    def _create(self, manifest: Mapping[str, Any]) -> Answer:
        answer = self._api.session.post(f"{self._api.url}{collection(manifest)}", json=manifest)
        return Answer(answer.status_code, answer.json())

    def _patch_status(self, change: tuple[Mapping[str, Any], Mapping[str, Any]]) -> Answer:
        target, status = change
        answer = self._api.session.patch(
            f"{self._api.url}{collection(target)}/{target['metadata']['name']}/status",
            json={"status": status},
            headers={"Content-Type": MERGE},
        )
        return Answer(answer.status_code, answer.json())


def collection(manifest: Mapping[str, Any]) -> str:
    """The path of the list that a resource of ours stands in."""
    whole = {"CertificateAuthority": "certificateauthorities", "HardeningPolicy": "hardeningpolicies"}
    if manifest["kind"] in whole:
        return f"{GROUP}/{whole[manifest['kind']]}"
    plural = "rotationschedules" if manifest["kind"] == "RotationSchedule" else "communicationchannels"
    return f"{GROUP}/namespaces/{manifest['metadata']['namespace']}/{plural}"
