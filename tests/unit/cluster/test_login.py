"""The way in: kubeconfigs as kubectl reads them, and tokens that do not stay the same."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from breakwater.cluster import client as module
from breakwater.cluster.client import Login, NoLoginError


def kubeconfig(folder: Path, name: str, user: str = "{token: first}", namespace: str = "") -> Path:
    file = folder / name
    place = f", namespace: {namespace}" if namespace else ""
    file.write_text(
        "apiVersion: v1\nkind: Config\n"
        f"current-context: {name}\n"
        f"clusters: [{{name: {name}, cluster: {{server: 'https://{name}.invalid'}}}}]\n"
        f"users: [{{name: {name}, user: {user}}}]\n"
        f"contexts: [{{name: {name}, context: {{cluster: {name}, user: {name}{place}}}}}]\n"
    )
    return file


async def test_several_kubeconfigs_are_one(tmp_path: Path) -> None:
    files = os.pathsep.join([str(kubeconfig(tmp_path, "a")), str(kubeconfig(tmp_path, "b")), str(tmp_path / "none")])
    assert (await Login.load(files, "a")).server == "https://a.invalid"
    assert (await Login.load(files, "b")).server == "https://b.invalid"


async def test_who_names_no_namespace_means_that_of_the_context(tmp_path: Path) -> None:
    assert (await Login.load(str(kubeconfig(tmp_path, "a", namespace="bpm")))).namespace == "bpm"
    assert (await Login.load(str(kubeconfig(tmp_path, "b")))).namespace == "default"


@pytest.mark.parametrize("text", [None, "nonsense: ["], ids=["no file", "no kubeconfig"])
async def test_what_is_no_kubeconfig_is_said_to_be_none(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "config"
    if text is not None:
        file.write_text(text)
    with pytest.raises(NoLoginError, match="give --kubeconfig"):
        await Login.load(str(file))


def _plugin(folder: Path) -> Path:
    """Prints a credential that has expired already, with what stands in a file as its token."""
    plugin = folder / "plugin.sh"
    plugin.write_text(
        "#!/bin/sh\n"
        'printf \'{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":\'\n'
        'printf \'{"expirationTimestamp":"2020-01-01T00:00:00Z","token":"%s"}}\' "$(cat "$(dirname "$0")/token")"\n'
    )
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    return plugin


async def test_a_plugin_is_asked_for_the_next_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exec_ = f"{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {_plugin(tmp_path)}}}}}"
    (tmp_path / "token").write_text("one")
    login = await Login.load(str(kubeconfig(tmp_path, "a", exec_)))
    assert await login.authorization() == "Bearer one"
    (tmp_path / "token").write_text("two")
    assert await login.authorization() == "Bearer one", "not at each request"
    monkeypatch.setattr(module, "RELOAD_SECONDS", 0.0)
    assert await login.authorization() == "Bearer two"


async def test_a_token_that_cannot_be_read_anew_stays_the_last_one(tmp_path: Path) -> None:
    login = await Login.load(str(kubeconfig(tmp_path, "a")))
    assert await login.authorization() == "Bearer first"

    async def unreadable(_: str) -> str:
        raise OSError("being swapped")

    login.configuration.get_api_key_with_prefix = unreadable
    assert await login.authorization() == "Bearer first"
