"""A client that shares no code with the operator (pykube-ng): what others see, and what others do to what we made."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import pykube  # type: ignore[import-untyped]  # it ships no types

Manifest = dict[str, Any]

MERGE = "application/merge-patch+json"


class Thing(NamedTuple):
    """One object, by the path of its type and its name; `namespace` is empty for cluster-scoped ones."""

    type_path: str
    namespace: str
    name: str

    @property
    def collection(self) -> str:
        """Path of the list that it stands in."""
        root, _, plural = self.type_path.rpartition("/")
        return f"/{root}/namespaces/{self.namespace}/{plural}" if self.namespace else f"/{self.type_path}"

    @property
    def path(self) -> str:
        """Path of the object."""
        return f"{self.collection}/{self.name}"


def secret(namespace: str, name: str) -> Thing:
    return Thing("api/v1/secrets", namespace, name)


def config_map(namespace: str, name: str) -> Thing:
    return Thing("api/v1/configmaps", namespace, name)


def trust_bundle(name: str) -> Thing:
    return Thing("apis/certificates.k8s.io/v1/clustertrustbundles", "", name)


def namespace(name: str) -> Thing:
    return Thing("api/v1/namespaces", "", name)


def authority(name: str) -> Thing:
    return Thing("apis/breakwater.dev/v1alpha1/certificateauthorities", "", name)


def channel(namespace: str, name: str) -> Thing:
    return Thing("apis/breakwater.dev/v1alpha1/communicationchannels", namespace, name)


class SecondClient:
    """Plain requests, each under a field manager of the caller's choice."""

    def __init__(self, kubeconfig: Path) -> None:
        self._api = pykube.HTTPClient(pykube.KubeConfig.from_file(str(kubeconfig)), timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._api.session.close()

    def find(self, thing: Thing) -> Manifest | None:
        """The object, None where it does not exist."""
        answer = self._api.session.get(self._url(thing.path))
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        return dict(answer.json())

    def get(self, thing: Thing) -> Manifest:
        """The object, which must exist."""
        found = self.find(thing)
        assert found is not None, f"{thing.path} does not exist"
        return found

    def list(self, type_path: str, label_selector: str = "") -> list[Manifest]:
        """All objects of a type."""
        answer = self._api.session.get(self._url(f"/{type_path}"), params={"labelSelector": label_selector})
        answer.raise_for_status()
        return list(answer.json()["items"])

    def patch(
        self, thing: Thing, change: Mapping[str, Any], manager: str = "second", subresource: str = ""
    ) -> Manifest:
        """Merge a change in: None removes a field."""
        path = f"{thing.path}/{subresource}" if subresource else thing.path
        answer = self._api.session.patch(
            self._url(path), params={"fieldManager": manager}, json=change, headers={"Content-Type": MERGE}
        )
        assert answer.ok, answer.text
        return dict(answer.json())

    def create(self, thing: Thing, manifest: Mapping[str, Any], manager: str = "second") -> Manifest:
        """POST."""
        metadata = {**manifest.get("metadata", {}), "name": thing.name}
        answer = self._api.session.post(
            self._url(thing.collection), params={"fieldManager": manager}, json={**manifest, "metadata": metadata}
        )
        assert answer.ok, answer.text
        return dict(answer.json())

    def delete(self, thing: Thing) -> None:
        """Delete what must exist."""
        self._api.session.delete(self._url(thing.path)).raise_for_status()

    def data(self, thing: Thing) -> dict[str, bytes]:
        """A Secret's data, decoded."""
        return decoded(self.get(thing))

    def _url(self, path: str) -> str:
        return f"{self._api.url}{path}"


def decoded(manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """A Secret's data."""
    return {key: base64.b64decode(value) for key, value in (manifest.get("data") or {}).items()}


def encoded(value: bytes) -> str:
    """As a Secret's data holds it."""
    return base64.b64encode(value).decode()


def as_backup(manifest: Mapping[str, Any]) -> Manifest:
    """What a backup holds of an object: its metadata without what belongs to one incarnation or one API server."""
    kept = {
        key: value
        for key, value in manifest["metadata"].items()
        if key in ("name", "namespace", "labels", "annotations")
    }
    return {**{key: value for key, value in manifest.items() if key != "metadata"}, "metadata": kept}
