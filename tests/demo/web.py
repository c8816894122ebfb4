"""The web server of the demonstration: plays kubelet and server, with the Secret that Breakwater issues."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

POLL = 0.3


class Page(BaseHTTPRequestHandler):
    """One page."""

    def do_GET(self) -> None:
        body = b"the suite\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silence."""


class TlsServer(ThreadingHTTPServer):
    """Handshakes in the connection's own thread, so that a silent client keeps nobody waiting."""

    daemon_threads = True

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", port), Page)
        self._context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(10)
        with self._context.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """A probe that breaks a handshake off on purpose is no news."""


def secret(kubectl: str, kubeconfig: str, namespace: str, name: str) -> dict[str, bytes] | None:
    """The Secret's data, None while it does not exist."""
    command = [
        kubectl,
        "--kubeconfig",
        kubeconfig,
        "get",
        "secret",
        name,
        "-n",
        namespace,
        "-o",
        "json",
        "--ignore-not-found",
    ]
    answer = subprocess.run(command, capture_output=True, check=False)
    if answer.returncode or not answer.stdout.strip():
        return None
    return {key: base64.b64decode(value) for key, value in json.loads(answer.stdout)["data"].items()}


def load(context: ssl.SSLContext, data: dict[str, bytes], folder: Path) -> None:
    """Let new connections use this key pair."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(data["tls.crt"])
    key.touch(mode=0o600)
    key.write_bytes(data["tls.key"])
    context.load_cert_chain(certificate, key)


def main() -> None:
    """Arguments: kubectl, kubeconfig, namespace, Secret, port."""
    kubectl, kubeconfig, namespace, name, port = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.TemporaryDirectory() as folder:
        while (data := secret(kubectl, kubeconfig, namespace, name)) is None:
            time.sleep(POLL)
        load(context, data, Path(folder))
        TlsServer(int(port), context).serve_forever()


if __name__ == "__main__":
    main()
