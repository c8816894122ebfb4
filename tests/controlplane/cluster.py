"""What tests can do with a cluster, be it a control plane of their own or an existing one."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.controlplane.credentials import token_login, write_kubeconfig

Manifest = str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""YAML text, a file or folder (with a kustomization.yaml: what it builds), one object, or several."""


class KubectlError(RuntimeError):
    """kubectl ended with an error; the message is its stderr."""


class Cluster(ABC):
    """An API server, the administrator's way into it, and kubeconfig files for others."""

    def __init__(self, kubectl: Path, workdir: Path) -> None:
        self.workdir = workdir
        self.admin_kubeconfig = workdir / "admin.kubeconfig"
        self._kubectl = kubectl
        self._numbers = itertools.count(1)

    @property
    @abstractmethod
    def url(self) -> str:
        """Base URL of the API server."""

    @property
    @abstractmethod
    def ca_pem(self) -> str:
        """The certificates, PEM, that the API server's own is verified with."""

    @abstractmethod
    def kubeconfig(
        self, user: str, groups: Iterable[str] = (), server: str | None = None, ca_file: Path | None = None
    ) -> Path:
        """Write a kubeconfig with a client certificate for `user` in `groups`.

        Args:
            user: the user's name; it has no rights before RBAC gives it some.
            groups: the groups that the user belongs to.
            server: URL to connect to where it is not the API server's, such as a proxy's.
            ca_file: PEM file that verifies `server`.
        """

    def service_account_kubeconfig(
        self, namespace: str, name: str, server: str | None = None, ca_file: Path | None = None
    ) -> Path:
        """Write a kubeconfig with a token, good for a day, of a service account that exists already.

        `server` and `ca_file` as in `kubeconfig`.
        """
        token = self.kubectl("create", "token", name, "-n", namespace, "--duration", "24h").strip()
        return self._write_kubeconfig(f"{namespace}-{name}", token_login(token), server, ca_file)

    def kubectl(self, *arguments: str | Path, input: str | None = None, timeout: float = 120) -> str:  # noqa: A002 - as subprocess names it
        """Run kubectl as the administrator and return its stdout.

        Raises:
            KubectlError: it failed; the message is what it said.
        """
        answer = subprocess.run(
            [self._kubectl, "--kubeconfig", self.admin_kubeconfig, *arguments],
            input=input,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=os.environ | {"KUBECACHEDIR": str(self.workdir / "kubectl-cache")},
            check=False,
        )
        if answer.returncode:
            shown = " ".join(map(str, arguments))
            raise KubectlError(f"kubectl {shown} ended with {answer.returncode}: {answer.stderr.strip()}")
        return answer.stdout

    def get(self, *arguments: str) -> Any:
        """Return what `kubectl get ARGUMENTS -o json` prints, decoded."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def apply(self, manifest: Manifest, *, manager: str = "test") -> str:
        """Apply server-side, taking every named field over, and return what kubectl says.

        Raises:
            KubectlError: the server refused; the message is its own.
        """
        command = ("apply", "--server-side", "--force-conflicts", "--field-manager", manager)
        if isinstance(manifest, Path):
            kustomized = (manifest / "kustomization.yaml").exists()
            return self.kubectl(*command, "-k" if kustomized else "-f", manifest)
        return self.kubectl(*command, "-f", "-", input=_text(manifest))

    def _write_kubeconfig(self, name: str, login: dict[str, Any], server: str | None, ca_file: Path | None) -> Path:
        slug = re.sub(r"[^A-Za-z0-9.-]+", "-", name)
        return write_kubeconfig(
            self.workdir / "kubeconfigs" / f"{slug}-{next(self._numbers)}.kubeconfig",
            name=slug,
            server=server or self.url,
            authority=ca_file.absolute() if ca_file else self.ca_pem,
            login=login,
        )


def _text(manifest: str | Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> str:
    if isinstance(manifest, str):
        return manifest
    if isinstance(manifest, Mapping):
        return json.dumps(manifest)
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifest)})
