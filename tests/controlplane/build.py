"""The programs of a control plane, built once from their Go modules into a cache keyed by version.

The folder is laid out as users of KUBEBUILDER_ASSETS know it: the programs lie straight in it. How each was built
stands beside it in `.build/`: an interrupted build goes on with the first program that has no such marker.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.controlplane.processes import ProcessGroup
from tests.controlplane.progress import Progress, say
from tests.controlplane.toolchain import go_environment
from tests.controlplane.versions import PINS

if TYPE_CHECKING:
    from collections.abc import Iterator

_VERSION_PACKAGE = "k8s.io/component-base/version"


class BuildError(RuntimeError):
    """A program could not be built; the message quotes the end of its log."""


@dataclass(frozen=True)
class Program:
    """One program: its name, the Go package that is its main, and the small module that it is built in."""

    name: str
    package: str
    module: str


PROGRAMS = (
    Program("etcd", "go.etcd.io/etcd/server/v3", "kubernetes"),
    Program("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", "kubernetes"),
    Program("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", "kubernetes"),
    Program("kubectl", "k8s.io/kubernetes/cmd/kubectl", "kubernetes"),
    Program("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", "kubernetes"),
    Program("kwok", "sigs.k8s.io/kwok/cmd/kwok", "kwok"),
)
STAGES = "kwok-stages"
"""Folder beside the programs: the stages of the kwok module, by which kwok plays the kubelet."""


def cache_root() -> Path:
    """Return the user cache: BREAKWATER_CACHE, or `breakwater` below XDG_CACHE_HOME or ~/.cache."""
    if override := os.environ.get("BREAKWATER_CACHE"):
        return Path(override).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "breakwater"


def ensure_binaries(version: str | None = None) -> Path:
    """Return the folder of the programs of Kubernetes `version`, building first what it does not hold.

    Without a version the folder KUBEBUILDER_ASSETS is used when set; what it lacks is built in its version.
    BREAKWATER_CLEAN_BUILD_CACHE=1 empties Go's build cache after a build (2 to 3 GB).

    Raises:
        BuildError: a program did not build, or KUBEBUILDER_ASSETS names something unusable.
        ToolchainError: there is no Go and none could be installed.
        ValueError: versions.toml knows nothing of this minor version.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and version is None:
        return _from_assets(Path(assets).expanduser().absolute())
    return _built(version or PINS.default, PROGRAMS)


def _built(version: str, programs: tuple[Program, ...]) -> Path:
    build = _Build(version)
    if build.missing(programs):
        with _locked(cache_root() / "controlplane" / "build.lock"):
            if missing := build.missing(programs):  # another process may have built them while this one waited
                build.run(missing)
    return build.folder


def _from_assets(assets: Path) -> Path:
    """Return `assets`, or where it is incomplete a folder of links: what it holds, and the rest built to match."""
    missing = tuple(program for program in PROGRAMS if not os.access(assets / program.name, os.X_OK))
    if not missing and (assets / STAGES).is_dir():
        return assets
    version = _assets_version(assets)
    # the stages come with kwok, so it is asked for even where the folder has a kwok of its own
    built = _built(version, tuple(p for p in PROGRAMS if p in missing or p.name == "kwok"))
    merged = built / ".build" / f"assets-{hashlib.sha256(str(assets).encode()).hexdigest()[:12]}"
    if not merged.exists():
        lacking = ", ".join(program.name for program in missing) or STAGES
        say(f"KUBEBUILDER_ASSETS={assets} has no {lacking}: taken from {built}")
    merged.mkdir(exist_ok=True)
    for program in PROGRAMS:
        _link(merged / program.name, (built if program in missing else assets) / program.name)
    _link(merged / STAGES, built / STAGES)
    return merged


def _link(link: Path, target: Path) -> None:
    fresh = link.with_name(f"{link.name}.{os.getpid()}")
    fresh.symlink_to(target)
    fresh.replace(link)


def _assets_version(assets: Path) -> str:
    try:
        answer = subprocess.run([assets / "kube-apiserver", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BuildError(
            f"KUBEBUILDER_ASSETS={assets}: no kube-apiserver in it runs; name a folder of programs, or unset it"
        ) from error
    match = re.search(r"v(\d+\.\d+\.\d+)", answer.stdout)
    if not match:
        raise BuildError(f"KUBEBUILDER_ASSETS={assets}: kube-apiserver --version says {answer.stdout.strip()!r}")
    return match[1]


class _Build:
    """One version's folder in the cache and how it is filled."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.companions = PINS.companions(version)
        self.folder = cache_root() / "controlplane" / version
        self.work = self.folder / ".build"
        self.work.mkdir(parents=True, exist_ok=True)

    def missing(self, programs: tuple[Program, ...]) -> list[Program]:
        return [program for program in programs if not self._is_current(program)]

    def run(self, programs: list[Program]) -> None:
        """Build `programs`, one after the other: they share most packages, and go build uses every core itself."""
        environment = go_environment(cache_root())
        say(
            f"building the control plane of Kubernetes {self.version} into {self.folder}: "
            f"{len(programs)} of {len(PROGRAMS)} programs, once, about 10 minutes in all on 2 cores"
        )
        started = time.monotonic()
        for number, program in enumerate(programs, start=1):
            with Progress(f"[{number}/{len(programs)}] {program.name}", self._log(program)):
                self._build(program, environment)
        if os.environ.get("BREAKWATER_CLEAN_BUILD_CACHE") == "1":
            subprocess.run(["go", "clean", "-cache"], env=environment, check=True)
        say(f"built in {time.monotonic() - started:.0f} s")

    def _build(self, program: Program, environment: dict[str, str]) -> None:
        module = self._module(program.module, environment)
        unfinished = self.work / f"{program.name}.unfinished"
        command = [
            "go",
            "build",
            "-v",
            "-trimpath",
            "-ldflags",
            self._ldflags(),
            "-o",
            str(unfinished),
            program.package,
        ]
        with self._log(program).open("wb") as log, ProcessGroup() as group:
            failed = group.start(command, log, module, environment).wait()
        if failed:
            tail = "\n".join(self._log(program).read_text().splitlines()[-20:])
            raise BuildError(f"go build {program.package} failed ({self._log(program)}):\n{tail}")
        if program.name == "kwok":
            self._copy_stages(module, environment)
        unfinished.replace(self.folder / program.name)
        self._marker(program).write_text(self._recipe(program))

    def _module(self, name: str, environment: dict[str, str]) -> Path:
        """Write the small module that requires what is built: `go install` refuses a module with replacements."""
        folder = self.work / name
        folder.mkdir(exist_ok=True)
        template = Path(__file__).with_name(f"go.{name}.mod.in").read_text()
        (folder / "go.mod").write_text(
            template.format(
                version=self.version,
                etcd=self.companions.etcd,
                kwok=self.companions.kwok,
                go=".".join(map(str, PINS.go)),
                replacements=self._staging_replacements(environment) if name == "kubernetes" else "",
            )
        )
        return folder

    def _staging_replacements(self, environment: dict[str, str]) -> str:
        """Return a line for each module that k8s.io/kubernetes itself takes from its staging folder."""
        described = go_json(["mod", "download", "-json", f"k8s.io/kubernetes@v{self.version}"], environment)
        edit = go_json(["mod", "edit", "-json", described["GoMod"]], environment)
        staged = [item["Old"]["Path"] for item in edit["Replace"] if item["New"]["Path"].startswith("./staging/")]
        published = f"v0.{self.version.split('.', 1)[1]}"
        return "\n".join(f"\t{path} => {path} {published}" for path in staged)

    def _copy_stages(self, module: Path, environment: dict[str, str]) -> None:
        listed = go_json(["list", "-m", "-json", "sigs.k8s.io/kwok"], environment, cwd=module)
        shutil.rmtree(self.folder / STAGES, ignore_errors=True)
        for stage in sorted((Path(listed["Dir"]) / "kustomize" / "stage").glob("*/*/*.yaml")):
            if stage.name == "kustomization.yaml":
                continue
            target = self.folder / STAGES / stage.parent.parent.name / stage.parent.name / stage.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(stage.read_bytes())  # not a copy of the mode: the module cache is read-only

    def _ldflags(self) -> str:
        major, minor = self.version.split(".")[:2]
        stamps = {"gitVersion": f"v{self.version}", "gitMajor": major, "gitMinor": minor}
        return " ".join(["-s -w", *(f"-X {_VERSION_PACKAGE}.{key}={value}" for key, value in stamps.items())])

    def _recipe(self, program: Program) -> str:
        """Return what makes one build differ from another: a changed pin builds again."""
        companion = {"etcd": self.companions.etcd, "kwok": self.companions.kwok}.get(program.name, self.version)
        return json.dumps({"package": program.package, "version": companion, "ldflags": self._ldflags()}) + "\n"

    def _is_current(self, program: Program) -> bool:
        marker = self._marker(program)
        return (
            os.access(self.folder / program.name, os.X_OK)
            and marker.exists()
            and marker.read_text() == self._recipe(program)
        )

    def _marker(self, program: Program) -> Path:
        return self.work / f"{program.name}.json"

    def _log(self, program: Program) -> Path:
        return self.work / f"{program.name}.log"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of all builds (one keeps every core busy), saying so where another process has it."""
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process is building in {path.parent}: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def go_json(arguments: list[str], environment: dict[str, str], cwd: Path | None = None) -> Any:
    """Return what a `go` command prints as JSON.

    Raises:
        BuildError: it failed; the message is what it said.
    """
    answer = subprocess.run(
        ["go", *arguments], cwd=cwd or "/", env=environment, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise BuildError(f"go {' '.join(arguments)}: {answer.stderr.strip() or answer.stdout.strip()}")
    return json.loads(answer.stdout)
