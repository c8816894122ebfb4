"""Files out of Go modules: what other projects publish for tests is fetched when it is needed, never committed."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.controlplane.build import cache_root, go_json
from tests.controlplane.toolchain import go_environment
from tests.controlplane.versions import PINS


def staging_version(kubernetes: str = PINS.default) -> str:
    """Return the version that the modules of Kubernetes bear, such as v0.37.2 in 1.37.2."""
    return f"v0.{kubernetes.split('.', 1)[1]}"


def module_files(module: str, version: str, folder: str) -> Iterator[tuple[str, bytes]]:
    """Yield (path below `folder`, content) of every file there.

    Raises:
        BuildError: the module could not be had.
        ToolchainError: there is no Go and none could be installed.
    """
    prefix = f"{module}@{version}/{folder}/"
    with zipfile.ZipFile(module_zip(module, version)) as archive:
        for name in sorted(archive.namelist()):
            if name.startswith(prefix):
                yield name.removeprefix(prefix), archive.read(name)


def module_zip(module: str, version: str) -> Path:
    """Return the module's zip in the user cache, fetched once; `go` verifies it against the checksum database."""
    kept = cache_root() / "modules" / f"{module.replace('/', '_')}@{version}.zip"
    if not kept.exists():
        described = go_json(["mod", "download", "-json", f"{module}@{version}"], go_environment(cache_root()))
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_name(f"{kept.name}.{os.getpid()}")
        shutil.copyfile(described["Zip"], unfinished)
        unfinished.replace(kept)
    return kept
