"""A cluster that is there already, used only when it is asked for by name."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.controlplane.build import ensure_binaries
from tests.controlplane.cluster import Cluster
from tests.controlplane.credentials import KeyPair, client_login, signing_request, write_private
from tests.controlplane.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType


def requested_context() -> str | None:
    """Return the context that CLUSTER names. KUBECONFIG alone never chooses a cluster."""
    return os.environ.get("CLUSTER") or None


def existing_cluster(context: str) -> ExistingCluster:
    """Return the cluster of a kubeconfig context.

    Raises:
        ValueError: kubectl knows no such context.
    """
    found = shutil.which("kubectl")
    kubectl = Path(found) if found else ensure_binaries() / "kubectl"
    view = [str(kubectl), "config", "view", "--raw", "--minify", "--flatten", "--context", context, "-o", "json"]
    answer = subprocess.run(view, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise ValueError(
            f"CLUSTER={context}: {answer.stderr.strip()}; `kubectl config get-contexts` lists what there is"
        )
    return ExistingCluster(kubectl, answer.stdout)


class ExistingCluster(Cluster):
    """Someone's cluster: no audit log, nothing to stop or pause. Users sign in with certificates it signs itself."""

    def __init__(self, kubectl: Path, kubeconfig: str) -> None:
        super().__init__(kubectl, Path(tempfile.mkdtemp(prefix="breakwater-cluster-")))
        self._cluster = json.loads(kubeconfig)["clusters"][0]["cluster"]
        write_private(self.admin_kubeconfig, kubeconfig)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the credentials written for this use."""
        shutil.rmtree(self.workdir, ignore_errors=True)

    @property
    def url(self) -> str:
        return str(self._cluster["server"])

    @property
    def ca_pem(self) -> str:
        return base64.b64decode(self._cluster.get("certificate-authority-data", "")).decode()

    def kubeconfig(
        self, user: str, groups: Iterable[str] = (), server: str | None = None, ca_file: Path | None = None
    ) -> Path:
        request, key = signing_request(user, groups)
        certificate = self._signed(user, request)
        return self._write_kubeconfig(user, client_login(KeyPair(certificate, key)), server, ca_file)

    def _signed(self, user: str, request: str) -> str:
        """Have the cluster's own signer for API clients sign `request`."""
        manifest = {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"generateName": "breakwater-test-"},
            "spec": {
                "request": base64.b64encode(request.encode()).decode(),
                "signerName": "kubernetes.io/kube-apiserver-client",
                "usages": ["client auth"],
            },
        }
        name = self.kubectl("create", "-f", "-", "-o", "name", input=json.dumps(manifest)).strip().rpartition("/")[2]
        try:
            self.kubectl("certificate", "approve", name)
            status = wait_until(
                lambda: self.get("csr", name)["status"].get("certificate"),
                30,
                f"the cluster to sign {user}'s certificate",
            )
        finally:
            self.kubectl("delete", "csr", name)
        return base64.b64decode(status).decode()
