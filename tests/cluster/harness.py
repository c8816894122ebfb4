"""The operator as its users run it: a process of its own, under its own RBAC, restarted like a kubelet would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import yaml

from tests.controlplane import Cluster, wait_until

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "crds"
BASE = ROOT / "deploy" / "base"
EXAMPLE = ROOT / "deploy" / "examples" / "bpm"
NAMESPACE = "breakwater-system"
USER = f"system:serviceaccount:{NAMESPACE}:breakwater"


def install(cluster: Cluster) -> None:
    """CRDs, namespace and RBAC as deploy/base has them; the Deployment stays out, the test runs the process."""
    cluster.apply(CRDS)
    for file in ("namespace.yaml", "rbac.yaml"):
        cluster.apply(BASE / file)
    for name in ("certificateauthorities", "communicationchannels", "hardeningpolicies", "rotationschedules"):
        cluster.kubectl("wait", "--for=condition=Established", f"crd/{name}.breakwater.dev", "--timeout=20s")
    wait_until(
        lambda: cluster.kubectl("get", "serviceaccount", "breakwater", "-n", NAMESPACE, "--ignore-not-found"),
        20,
        "the service account",
    )


class OperatorProcess:
    """One replica. Use as a context manager: it starts, waits for /readyz and is stopped however the test ends."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        arguments: tuple[str, ...] = (),
        identity: str = "test-0",
        server: str | None = None,
        ca_file: Path | None = None,
        lease_duration: int = 15,
        log_level: str = "info",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.identity = identity
        self._kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, "breakwater", server=server, ca_file=ca_file)
        self._log = cluster.workdir / f"operator-{identity}-{time.monotonic_ns()}.log"
        self._command = [
            sys.executable,
            "-m",
            "breakwater",
            "run",
            f"--kubeconfig={self._kubeconfig}",
            "--listen=127.0.0.1:0",
            "--log-format=json",
            f"--log-level={log_level}",
            f"--identity={identity}",
            f"--lease-duration={lease_duration}",
            *arguments,
        ]
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process; its log goes on where it was."""
        with self._log.open("ab") as log:
            log.write(b'{"message": "started by the test"}\n')
            self._process = subprocess.Popen(self._command, stderr=log, env=self._environment)

    @property
    def pid(self) -> int:
        """Of the running process."""
        if self._process is None:
            raise RuntimeError("the operator is not started")
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        return self._process.poll() if self._process else None

    @property
    def log_text(self) -> str:
        """Everything it said, over all its starts."""
        return self._log.read_text() if self._log.exists() else ""

    def lines(self, message: str | None = None) -> Iterator[Mapping[str, Any]]:
        """Its log since the last start, decoded; only lines with that message if one is given."""
        current = self.log_text.rpartition('"started by the test"}\n')[2]
        for line in current.splitlines():
            try:
                item = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if message is None or item.get("message") == message:
                yield item

    def wait_ready(self, timeout: float = 30) -> None:
        """Until it says that it is ready to act (synced and listed)."""
        wait_until(lambda: self._said("ready"), timeout, "the operator being ready")

    def wait_leading(self, timeout: float = 40) -> None:
        """Until it holds the Lease."""
        wait_until(lambda: self._said("leading"), timeout, "the operator leading")

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of /metrics, /healthz or /readyz."""
        serving = next(self.lines("serving"))
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{serving['port']}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """The sum of all samples of a metric."""
        _, text = self.get("/metrics")
        values = [
            line.rpartition(" ")[2] for line in text.splitlines() if line.partition("{")[0].partition(" ")[0] == name
        ]
        return sum(map(float, values))

    def signal(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power failure would."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self, timeout: float = 20) -> int | None:
        """End it as a kubelet would; returns its exit code."""
        if self._process is None or self._process.poll() is not None:
            return self.returncode
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        return self.wait(timeout)

    def wait(self, timeout: float = 20) -> int:
        """Wait for its end."""
        if self._process is None:
            raise RuntimeError("the operator is not started")
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def _said(self, message: str) -> bool:
        if self.returncode is not None:
            raise AssertionError(f"the operator ended with {self.returncode}:\n{self.log_text[-4000:]}")
        return any(self.lines(message))


def conditions(resource: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Conditions by type."""
    return {item["type"]: item for item in (resource.get("status") or {}).get("conditions") or ()}


def is_ready(resource: Mapping[str, Any]) -> bool:
    """Ready for the generation that was asked for: what kstatus waits for."""
    ready = conditions(resource).get("Ready", {})
    return (
        ready.get("status") == "True" and resource["status"]["observedGeneration"] == resource["metadata"]["generation"]
    )


def all_ready(cluster: Cluster, *arguments: str) -> Callable[[], bool]:
    """Whether every authority and channel (or what `kubectl get` arguments say) is Ready; for wait_until."""

    def check() -> bool:
        items = cluster.get(*(arguments or ("bwca,chan", "-A")))["items"]
        return bool(items) and all(map(is_ready, items))

    return check


def manifests(path: Path) -> list[dict[str, Any]]:
    """All objects of a file of manifests."""
    return [item for item in yaml.safe_load_all(path.read_text()) if item]


def authority(name: str = "platform", **spec: Any) -> dict[str, Any]:
    """An authority that all namespaces may use for servers and for the client `app`."""
    grant = {
        "name": "all",
        "namespaceSelector": {},
        "usages": ["Server", "Client"],
        "commonNames": ["app"],
    }
    return {
        "apiVersion": "breakwater.dev/v1alpha1",
        "kind": "CertificateAuthority",
        "metadata": {"name": name},
        "spec": {"source": {"selfManaged": {}}, "usableFrom": [grant]} | spec,
    }


def channel(namespace: str, name: str, authority: str = "platform", **spec: Any) -> dict[str, Any]:
    """A TLS channel whose server certificate is issued into Secret NAME-tls; `spec` adds or replaces members."""
    host = f"{name}.{namespace}.svc"
    reference = {"name": authority}
    server = {"secretName": f"{name}-tls", "authorityRef": reference, "dnsNames": [host]}
    return {
        "apiVersion": "breakwater.dev/v1alpha1",
        "kind": "CommunicationChannel",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "protocol": "TLS",
            "endpoint": {"host": host, "port": 8443},
            "encryption": {"trust": {"authorityRef": reference}, "serverCertificate": server},
        }
        | spec,
    }
