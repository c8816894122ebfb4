"""status and explain, as a person reads them on a real API server."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cluster.harness import CRDS, authority, channel
from tests.controlplane import Cluster

NAMESPACE = "command-line"


@pytest.fixture(scope="module")
def declared(controlplane: Cluster) -> Cluster:
    """A channel with a status as the operator writes it, and one that nobody looked at."""
    controlplane.apply(CRDS)
    controlplane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
    controlplane.kubectl("create", "namespace", NAMESPACE)
    controlplane.apply([channel(NAMESPACE, "seen"), channel(NAMESPACE, "unseen"), authority("command-line")])
    since = {"observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}
    conditions = [
        {"type": "Accepted", "status": "True", "reason": "Accepted"} | since,
        {"type": "Ready", "status": "False", "reason": "QuotaExceeded", "message": "raise the quota of secrets"}
        | since,
        {"type": "Secured", "status": "Unknown", "reason": "NotMeasured", "message": "not measured yet"} | since,
    ]
    patch = f'{{"status": {{"observedGeneration": 1, "conditions": {str(conditions).replace(chr(39), chr(34))}}}}}'
    controlplane.kubectl("patch", "chan", "seen", "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", patch)
    return controlplane


def breakwater(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "breakwater", *arguments, f"--kubeconfig={cluster.admin_kubeconfig}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_status_shows_each_resource_with_the_first_thing_that_is_wrong(declared: Cluster) -> None:
    answer = breakwater(declared, "status", "-n", NAMESPACE)
    assert answer.returncode == 0, answer.stderr
    line = next(line for line in answer.stdout.splitlines() if f"{NAMESPACE}/seen" in line)
    assert "False" in line
    assert "Unknown" in line
    assert line.endswith("QuotaExceeded")


def test_status_has_no_colours_where_no_terminal_is(declared: Cluster) -> None:
    assert "\x1b[" not in breakwater(declared, "status").stdout


def test_explain_tells_reason_and_remedy_of_what_does_not_hold(declared: Cluster) -> None:
    text = breakwater(declared, "explain", "chan/seen", "-n", NAMESPACE).stdout
    assert "raise the quota of secrets" in text
    assert "not measured yet" in text
    assert "BPM-009" in text


def test_explain_says_when_nobody_has_looked(declared: Cluster) -> None:
    assert "has not looked at it yet" in breakwater(declared, "explain", "chan/unseen", "-n", NAMESPACE).stdout


def test_explain_of_what_does_not_exist_names_the_namespace_flag(declared: Cluster) -> None:
    answer = breakwater(declared, "explain", "chan/missing", "-n", NAMESPACE)
    assert answer.returncode == 1
    assert "give its namespace with -n" in answer.stderr
    assert "Traceback" not in answer.stderr
