"""The command line as a person meets it, without a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from breakwater.cli.main import main

ROOT = Path(__file__).parents[3]


def test_help_names_every_command() -> None:
    text = CliRunner().invoke(main, ["--help"]).output
    for command in ("run", "status", "explain", "crds"):
        assert command in text


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "--probe-allow=everything"], "--probe-allow"),
        (["run", "--probe-allow=10.0.0.1/8"], "CIDR"),
        (["run", "--lease-duration=1"], "--lease-duration"),
        (["run", "--mode=Dream"], "--mode"),
        (["run", "--kubeconfig=/nowhere"], "--kubeconfig"),
        (["run", "--listen=8080"], "--listen"),
        (["run", "--listen=127.0.0.1:http"], "--listen"),
        (["explain", "chan"], "KIND/NAME"),
        (["explain", "pod/x"], "KIND/NAME"),
        (["crds", "--check=/nowhere"], "breakwater crds --write"),
    ],
)
def test_a_wrong_argument_is_named_and_ends_without_traceback(arguments: list[str], named: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert named in result.output
    assert "Traceback" not in result.output


def test_the_committed_definitions_are_those_of_the_kinds() -> None:
    result = CliRunner().invoke(main, ["crds", "--check", str(ROOT / "crds")])
    assert result.exit_code == 0, result.output


def test_definitions_are_printed_as_manifests_for_kubectl() -> None:
    documents = list(yaml.safe_load_all(CliRunner().invoke(main, ["crds"]).output))
    assert {item["kind"] for item in documents} == {"CustomResourceDefinition"}
    assert {item["spec"]["names"]["kind"] for item in documents} == {
        "CertificateAuthority",
        "CommunicationChannel",
        "HardeningPolicy",
        "RotationSchedule",
        "SecurityZone",
    }


def test_no_api_server_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    cluster = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    login = {"clusters": [cluster], "contexts": [context], "users": [{"name": "u", "user": {"token": "t"}}]}
    kubeconfig.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "c"} | login))
    result = CliRunner().invoke(main, ["status", "--kubeconfig", str(kubeconfig)])
    assert result.exit_code == 1
    assert "no answer from the API server" in result.output
