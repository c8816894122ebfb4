"""The openssl program as an independent judge of what we make."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

PURPOSES = {"Server": "sslserver", "Client": "sslclient"}
SPLIT = b"-----END CERTIFICATE-----\n"


def openssl(*arguments: str, stdin: bytes = b"") -> str:
    run = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout.decode()


def refusal(chain: bytes, trust: bytes, usage: str, now: datetime, server_name: str | None = None) -> str:
    """What openssl has against the chain, empty when it accepts it."""
    leaf, rest = chain.split(SPLIT, 1)
    with tempfile.TemporaryDirectory() as folder:
        files = {"leaf": leaf + SPLIT, "rest": rest, "trust": trust}
        paths = {name: Path(folder, name) for name in files}
        for name, content in files.items():
            paths[name].write_bytes(content)
        command = [
            "openssl",
            "verify",
            "-x509_strict",
            "-purpose",
            PURPOSES[usage],
            "-attime",
            f"{now.timestamp():.0f}",
        ]
        command += ["-CAfile", str(paths["trust"]), "-no-CApath", "-no-CAstore"]
        command += ["-untrusted", str(paths["rest"])] if rest else []
        command += ["-verify_hostname", server_name] if server_name else []
        run = subprocess.run([*command, str(paths["leaf"])], capture_output=True, check=False, text=True)
    return "" if run.returncode == 0 else run.stdout + run.stderr


def text(certificate: bytes) -> str:
    return openssl("x509", "-noout", "-text", stdin=certificate)
