"""A real Kubernetes control plane on loopback, without containers, for as long as a test needs it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.controlplane import commands
from tests.controlplane.audit import AuditLevel, AuditLog, policy
from tests.controlplane.build import ensure_binaries
from tests.controlplane.cluster import Cluster, KubectlError
from tests.controlplane.credentials import Authority, client_login, service_account_keys, write_kubeconfig
from tests.controlplane.kwok import DEFAULT_STAGES, write_stages
from tests.controlplane.processes import ProcessGroup, Program, StartError, free_ports

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType

_ATTEMPTS = 5
"""How often a start is tried when somebody takes a port between its choice and its use."""

_READY = 90.0
"""Seconds a program may take to become ready; 1 to 4 are usual."""

API_SERVER = "kube-apiserver"


class ControlPlane(Cluster):
    """etcd and an API server, RBAC and audit log on; controllers, scheduler and kwok (nodes and pods) on request.

    A context manager. Everything lies in `workdir`, logs and audit log too; it is removed at a clean end and kept,
    without etcd's data, after an exception or with BREAKWATER_KEEP_LOGS=1. No program outlives this process.
    """

    def __init__(
        self,
        *,
        version: str | None = None,
        controllers: bool = True,
        scheduler: bool = False,
        kwok: bool = False,
        stages: Sequence[str] = DEFAULT_STAGES,
        audit_level: AuditLevel = AuditLevel.BODIES,
        emulated_version: str | None = None,
        extra_apiserver_args: Sequence[str] = (),
        workdir: Path | None = None,
    ) -> None:
        """Prepare a control plane; nothing runs before `start` or `with`.

        Args:
            version: Kubernetes version; by default KUBEBUILDER_ASSETS or the pinned one.
            controllers: run kube-controller-manager and wait until it has made the first service account.
            scheduler: run kube-scheduler.
            kwok: run kwok, which plays the kubelet of every node that `add_node` makes.
            stages: folders of kwok's own stages, such as "pod/chaos", or files with stages.
            audit_level: what is recorded of Secrets and breakwater.dev; OFF records nothing at all.
            emulated_version: an earlier Kubernetes version, such as "1.35", as which all its programs behave.
            extra_apiserver_args: more flags of kube-apiserver; of one given twice the last counts.
            workdir: folder to use, and to leave where it is; by default a temporary one.
        """
        self._binaries = ensure_binaries(version)
        self._keep_workdir = workdir is not None
        super().__init__(self._binaries / "kubectl", workdir.absolute() if workdir else _temporary())
        self._optional = {
            "kube-controller-manager": controllers,
            "kube-scheduler": scheduler,
            "kwok": kwok,
        }
        self._stages = stages
        self._audit_level = audit_level
        self._emulated = [f"--emulated-version={emulated_version}"] if emulated_version else []
        self._extra_apiserver_args = (*self._emulated, *extra_apiserver_args)
        self._authority = Authority()
        self._programs: dict[str, Program] = {}
        self._group: ProcessGroup | None = None
        self._port = 0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close(keep_logs=kind is not None)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    @property
    def ca_pem(self) -> str:
        return self._authority.pair.certificate

    def start(self) -> Self:
        """Start everything and return when it is ready.

        Raises:
            StartError: a program did not start; the message quotes its log.
        """
        try:
            self._write_files()
            self._start_on_free_ports()
        except BaseException:
            self.close(keep_logs=True)
            raise
        return self

    def close(self, *, keep_logs: bool = False) -> None:
        """Kill everything and remove the working folder. May be called again."""
        if self._group is not None:
            self._group.close()
        if not (keep_logs or self._keep_workdir or os.environ.get("BREAKWATER_KEEP_LOGS") == "1"):
            shutil.rmtree(self.workdir, ignore_errors=True)

    def kubeconfig(
        self, user: str, groups: Iterable[str] = (), server: str | None = None, ca_file: Path | None = None
    ) -> Path:
        return self._write_kubeconfig(user, client_login(self._authority.client(user, groups)), server, ca_file)

    def audit(self) -> AuditLog:
        """Return the audit log; it stays readable while the API server is down."""
        if self._audit_level is AuditLevel.OFF:
            raise RuntimeError("this control plane was made with audit_level=AuditLevel.OFF")
        return AuditLog(self._audit_path)

    def stop_apiserver(self, grace: float = 2.0) -> None:
        """End the API server; its data and its port stay.

        It is asked first and killed after `grace` seconds: with watches open it would take its time.
        """
        self._programs[API_SERVER].stop(grace)

    def start_apiserver(self) -> None:
        """Start the API server again, same port, same data, and return when it is ready."""
        self._programs[API_SERVER].start()
        self._programs[API_SERVER].await_ready(self._api_ready, _READY)

    def restart_apiserver(self) -> None:
        """Stop and start the API server."""
        self.stop_apiserver()
        self.start_apiserver()

    def pause(self, program: str = API_SERVER) -> None:
        """Stop a program's clock; connections to it stay open and unanswered."""
        self._programs[program].pause()

    def resume(self, program: str = API_SERVER) -> None:
        """Let a paused program go on."""
        self._programs[program].resume()

    def program(self, name: str) -> Program:
        """Return one program, such as "etcd", to look at its log, process id or memory."""
        return self._programs[name]

    def rss(self) -> dict[str, int]:
        """Return the resident memory of each running program in bytes."""
        return {name: program.rss() for name, program in self._programs.items() if program.running}

    def add_node(self, name: str, *, timeout: float = 30) -> None:
        """Create a node and wait until kwok has made it Ready.

        Raises:
            StartError: it did not; the message quotes kwok's log.
        """
        if "kwok" not in self._programs:
            raise RuntimeError("a node needs somebody to play it: ControlPlane(kwok=True)")
        self._create_node(name)
        self._programs["kwok"].await_ready(lambda: self._node_is_ready(name), timeout)

    def _create_node(self, name: str) -> None:
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        self.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})

    def _node_is_ready(self, name: str) -> bool:
        conditions = self.get("node", name).get("status", {}).get("conditions", [])
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    @property
    def _audit_path(self) -> Path:
        return self.workdir / "audit.log"

    def _write_files(self) -> None:
        pki = self.workdir / "pki"
        pki.mkdir(parents=True, exist_ok=True)
        self._authority.pair.write(pki, "ca")
        names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
        self._authority.server(names, ("127.0.0.1", commands.SERVICE_ADDRESS)).write(pki, "server")
        service_account_keys().write(pki, "service-accounts")
        if self._audit_level is not AuditLevel.OFF:
            (self.workdir / "audit-policy.json").write_text(json.dumps(policy(self._audit_level)))
        if self._optional["kwok"]:
            write_stages(self._binaries, self._stages, self.workdir / "stages.yaml")

    def _start_on_free_ports(self) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._start_on(free_ports(3))
            except StartError as error:
                if "address already in use" not in str(error) or attempt == _ATTEMPTS:
                    raise
                self._reset()
            else:
                return

    def _start_on(self, ports: list[int]) -> None:
        etcd_port, peer_port, self._port = ports
        self._write_logins()
        self._group = ProcessGroup(self.workdir / "etcd")
        etcd = self._launch("etcd", commands.etcd(etcd_port, peer_port))
        etcd.await_ready(
            lambda: _answers(http.client.HTTPConnection("127.0.0.1", etcd_port, timeout=2), "/health"), _READY
        )
        audited = self._audit_level is not AuditLevel.OFF
        server = commands.apiserver(self._port, etcd_port, audited=audited, extra=self._extra_apiserver_args)
        self._launch(API_SERVER, server).await_ready(self._api_ready, _READY)
        for name in (name for name, wanted in self._optional.items() if wanted):
            emulated = self._emulated if name.startswith("kube-") else []
            self._launch(name, [*commands.CLIENTS[name](), *emulated])
        if self._optional["kube-controller-manager"]:
            self._programs["kube-controller-manager"].await_ready(self._has_service_account, _READY)

    def _launch(self, name: str, arguments: list[str]) -> Program:
        assert self._group is not None
        program = Program(self._group, name, [str(self._binaries / name), *arguments], self.workdir)
        self._programs[name] = program
        program.start()
        return program

    def _write_logins(self) -> None:
        """Write the kubeconfigs that bear the server's port."""
        for name, user, groups in (
            ("admin", "admin", ("system:masters",)),
            ("kube-controller-manager", "system:kube-controller-manager", ()),
            ("kube-scheduler", "system:kube-scheduler", ()),
            ("kwok", "system:kwok", ("system:masters",)),
        ):
            login = client_login(self._authority.client(user, groups))
            write_kubeconfig(
                self.workdir / f"{name}.kubeconfig",
                name="breakwater",
                server=self.url,
                authority=self.ca_pem,
                login=login,
            )

    def _reset(self) -> None:
        """Forget an attempt that lost a port."""
        if self._group is not None:
            self._group.close()
        self._programs.clear()
        shutil.rmtree(self.workdir / "logs", ignore_errors=True)

    def _api_ready(self) -> bool:
        trust = ssl.create_default_context(cadata=self.ca_pem)
        return _answers(http.client.HTTPSConnection("127.0.0.1", self._port, timeout=2, context=trust), "/readyz")

    def _has_service_account(self) -> bool:
        try:
            self.kubectl("get", "serviceaccount", "default", "-n", "default")
        except KubectlError:
            return False
        return True


def _temporary() -> Path:
    return Path(tempfile.mkdtemp(prefix="breakwater-"))


def _answers(connection: http.client.HTTPConnection, path: str) -> bool:
    """Tell whether `path` is answered with 200."""
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
