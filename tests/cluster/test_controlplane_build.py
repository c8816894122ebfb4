"""The build's promises, kept with a `go` that only notes what it was asked: the real one takes ten minutes."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.controlplane import BuildError, ensure_binaries
from tests.controlplane.build import PROGRAMS
from tests.controlplane.modules import module_files, staging_version
from tests.controlplane.versions import PINS

_CHECKOUT = Path(__file__).parents[2]

_GO = """#!{python}
import json, os, pathlib, sys, time
here, words = pathlib.Path(__file__).parent, sys.argv[1:]
def go_mod(path): return {{"Old": {{"Path": path}}, "New": {{"Path": "./staging/src/" + path}}}}
if words[:2] == ["env", "GOVERSION"]:
    print("go1.26.8")
elif words[:2] == ["mod", "download"]:
    with (here / "asked").open("a") as asked:
        asked.write(words[-1] + "\\n")
    print(json.dumps({{"GoMod": "go.mod", "Zip": str(here / "module.zip")}}))
elif words[:2] == ["mod", "edit"]:
    print(json.dumps({{"Replace": [go_mod("k8s.io/api"), {{"Old": {{"Path": "x"}}, "New": {{"Path": "y"}}}}]}}))
elif words[0] == "list":
    print(json.dumps({{"Dir": str(here)}}))
elif (here / "broken").exists() and words[-1].endswith((here / "broken").read_text()):
    sys.exit("undefined: everything")
else:
    time.sleep(0.05)
    target = pathlib.Path(words[words.index("-o") + 1])
    target.write_text("#!/bin/sh\\necho Kubernetes v9.9.9\\n")
    target.chmod(0o755)
    with (here / "built").open("a") as built:
        built.write(words[-1] + "\\n")
"""


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a go that writes what it built to `built` and fails for the package in `broken`."""
    folder = tmp_path / "go"
    stages = folder / "kustomize" / "stage" / "pod" / "fast"
    stages.mkdir(parents=True)
    (stages / "pod-ready.yaml").write_text("kind: Stage\n")
    (folder / "go").write_text(_GO.format(python=sys.executable))
    (folder / "go").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("BREAKWATER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return folder


def _built(go: Path) -> list[str]:
    return (go / "built").read_text().split()


def test_each_program_is_built_once_into_the_folder_of_its_version(go: Path, tmp_path: Path) -> None:
    assert ensure_binaries("1.37.2") == tmp_path / "cache" / "controlplane" / "1.37.2"
    assert ensure_binaries("1.37.2") == ensure_binaries()
    assert _built(go) == [program.package for program in PROGRAMS]


def test_two_that_ask_at_the_same_time_build_once(go: Path) -> None:
    command = [sys.executable, "-c", "from tests.controlplane import ensure_binaries; ensure_binaries()"]
    asking = [subprocess.Popen(command, cwd=_CHECKOUT, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in asking] == [0, 0]
    assert len(_built(go)) == len(PROGRAMS)


def test_an_interrupted_build_quotes_its_log_and_goes_on_where_it_stopped(go: Path) -> None:
    (go / "broken").write_text("cmd/kubectl")
    with pytest.raises(BuildError, match=r"cmd/kubectl failed[\s\S]*undefined: everything"):
        ensure_binaries()
    before = _built(go)
    (go / "broken").unlink()
    assert (ensure_binaries() / "kubectl").exists()
    assert _built(go) == [program.package for program in PROGRAMS]
    assert before == _built(go)[: len(before)]


def test_the_staging_modules_are_those_that_the_version_itself_replaces(go: Path) -> None:
    module = (ensure_binaries("1.35.4") / ".build" / "kubernetes" / "go.mod").read_text()
    assert "k8s.io/api => k8s.io/api v0.35.4\n)" in module
    assert f"go.etcd.io/etcd/server/v3 v{PINS.companions('1.35.4').etcd}\n" in module
    assert "x =>" not in module


def test_given_assets_are_used_and_what_they_lack_is_built_in_their_version(
    go: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (assets / name).write_text("#!/bin/sh\necho Kubernetes v1.36.3\n")
        (assets / name).chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))

    folder = ensure_binaries()
    assert (folder / "etcd").resolve() == assets / "etcd"
    assert (folder / "kwok").resolve() == tmp_path / "cache" / "controlplane" / "1.36.3" / "kwok"
    assert "has no kube-controller-manager, kube-scheduler, kwok: taken from" in capsys.readouterr().err
    assert len(_built(go)) == 3


def test_assets_without_an_api_server_are_refused_by_name(go: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(go))
    with pytest.raises(BuildError, match=rf"KUBEBUILDER_ASSETS={go}: no kube-apiserver in it runs"):
        ensure_binaries()


def test_a_minor_version_without_pins_is_refused_with_what_to_add(go: Path) -> None:
    with pytest.raises(ValueError, match=r'1\.20\.1: versions\.toml pins .*1\.37; add a table \[minor\."1\.20"\]'):
        ensure_binaries("1.20.1")


def test_files_of_a_module_are_fetched_once_and_read_from_the_folder_that_is_asked_for(go: Path) -> None:
    with zipfile.ZipFile(go / "module.zip", "w") as archive:
        for name in ("data/b/two.yaml", "data/a/one.yaml", "database/no.yaml", "go.mod"):
            archive.writestr(f"k8s.io/sample@v0.37.2/{name}", name)
    expected = [("a/one.yaml", b"data/a/one.yaml"), ("b/two.yaml", b"data/b/two.yaml")]
    for _ in range(2):
        assert list(module_files("k8s.io/sample", staging_version("1.37.2"), "data")) == expected
    assert (go / "asked").read_text().split() == ["k8s.io/sample@v0.37.2"]
