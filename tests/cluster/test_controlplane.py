from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.controlplane import (
    AuditLevel,
    Cluster,
    ControlPlane,
    KubectlError,
    StartError,
    ensure_binaries,
    existing_cluster,
    mutating,
    wait_until,
)
from tests.controlplane import controlplane as module
from tests.controlplane.processes import free_ports

if TYPE_CHECKING:
    from tests.controlplane.fixtures import FreshControlPlane

_CHECKOUT = Path(__file__).parents[2]


def _config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data}


def _secret(name: str, **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "default"},
        "stringData": data,
    }


def _deployment(namespace: str, name: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "example.invalid/web:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod},
    }


def test_a_deployment_becomes_available_and_its_pods_go_when_it_is_deleted(controlplane: Cluster) -> None:
    controlplane.kubectl("create", "namespace", "deployed")
    controlplane.apply(_deployment("deployed", "web", replicas=3))
    controlplane.kubectl("wait", "deployment/web", "-n", "deployed", "--for=condition=Available", "--timeout=60s")
    pods = controlplane.get("pods", "-n", "deployed")["items"]
    assert [pod["status"]["phase"] for pod in pods] == ["Running"] * 3

    controlplane.kubectl("delete", "namespace", "deployed", "--timeout=60s")
    assert controlplane.get("pods", "-n", "deployed")["items"] == []


def test_a_service_with_ready_pods_gets_endpoints(controlplane: Cluster) -> None:
    controlplane.kubectl("create", "namespace", "served")
    controlplane.apply(_deployment("served", "web", replicas=1))
    controlplane.kubectl("expose", "deployment/web", "-n", "served", "--port=443")

    def ready() -> bool:
        slices = controlplane.get("endpointslices", "-n", "served")["items"]
        return any(endpoint["conditions"]["ready"] for item in slices for endpoint in item["endpoints"] or ())

    assert wait_until(ready, 30, "the endpoint of Service web")


def test_users_have_the_rights_that_rbac_gives_them_and_no_others(controlplane: Cluster) -> None:
    controlplane.kubectl("create", "namespace", "shared")
    alice = controlplane.kubeconfig("alice", ["auditors"])
    controlplane.kubectl("create", "rolebinding", "view", "-n", "shared", "--clusterrole=view", "--group=auditors")

    assert "No resources" in _kubectl(controlplane, alice, "get", "configmaps", "-n", "shared", "-l", "none=such")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        _kubectl(controlplane, alice, "get", "secrets", "-n", "shared")
    assert 'User "alice" cannot list resource "secrets"' in refused.value.output


def test_service_accounts_of_the_controllers_sign_in_with_a_token(controlplane: Cluster) -> None:
    kubeconfig = controlplane.service_account_kubeconfig("default", "default")
    assert "system:serviceaccount:default:default" in _kubectl(controlplane, kubeconfig, "auth", "whoami")


def test_a_refused_manifest_raises_what_the_server_said(controlplane: Cluster) -> None:
    with pytest.raises(KubectlError, match=r"a lowercase RFC 1123 subdomain"):
        controlplane.apply(_config_map("Not_A_Name"))


def test_the_audit_log_tells_writes_from_questions_dry_runs_and_leases(fresh_controlplane: FreshControlPlane) -> None:
    cp = fresh_controlplane(controllers=False)
    mark = cp.audit().mark()
    cp.kubectl("auth", "can-i", "create", "secrets")
    cp.kubectl("create", "configmap", "tried", "--dry-run=server")
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    cp.apply(lease | {"metadata": {"name": "leader", "namespace": "default"}, "spec": {"holderIdentity": "a"}})
    cp.apply([_secret("login", password="hunter2"), _config_map("settings")])  # noqa: S106 - looked for below
    event = {"apiVersion": "v1", "kind": "Event", "reason": "Seen", "involvedObject": {"namespace": "default"}}
    cp.apply(event | {"metadata": {"name": "seen", "namespace": "default"}})

    writes = mutating(cp.audit().events(mark), "admin")
    assert [(event.verb, event.resource, event.name) for event in writes] == [
        ("patch", "secrets", "login"),
        ("patch", "configmaps", "settings"),
        ("patch", "events", "seen"),
    ]
    secret, settings, _ = writes
    assert secret.request_object["stringData"] == {"password": "hunter2"}
    assert settings.request_object is None
    assert "hunter2" not in repr(writes)


def test_the_api_server_comes_back_with_its_data_on_its_port(fresh_controlplane: FreshControlPlane) -> None:
    cp = fresh_controlplane(controllers=False, audit_level=AuditLevel.OFF)
    url = cp.url
    cp.apply(_config_map("kept", key="value"))
    cp.stop_apiserver()
    with pytest.raises(KubectlError, match="refused"):
        cp.get("configmap", "kept", "-n", "default")
    cp.start_apiserver()
    assert cp.url == url
    assert cp.get("configmap", "kept", "-n", "default")["data"] == {"key": "value"}


def test_a_paused_api_server_answers_nobody_until_it_is_resumed(fresh_controlplane: FreshControlPlane) -> None:
    cp = fresh_controlplane(controllers=False)
    cp.pause()
    with pytest.raises(KubectlError, match=r"(?i)timeout"):
        cp.kubectl("get", "--raw", "/readyz", "--request-timeout=1s")
    cp.resume()
    assert cp.kubectl("get", "--raw", "/readyz", "--request-timeout=30s") == "ok"


def test_control_planes_stand_side_by_side_and_leave_nothing(fresh_controlplane: FreshControlPlane) -> None:
    first = fresh_controlplane(controllers=False)
    second = fresh_controlplane(controllers=False)
    first.apply(_config_map("mine"))
    assert "mine" not in second.kubectl("get", "configmaps", "-n", "default", "-o", "name")
    pids = [first.program(name).pid for name in ("etcd", "kube-apiserver")]
    first.close()
    assert not first.workdir.exists()
    assert not any(map(_runs, pids))
    assert second.get("namespace", "default")


def test_a_start_on_taken_ports_is_tried_again_on_others(monkeypatch: pytest.MonkeyPatch) -> None:
    with ControlPlane(controllers=False) as first:
        taken = int(first.url.rpartition(":")[2])
        answers = iter([[*free_ports(2), taken]])
        monkeypatch.setattr(module, "free_ports", lambda count: next(answers, None) or free_ports(count))
        with ControlPlane(controllers=False) as second:
            assert second.url != first.url
            assert next(answers, None) is None


def test_a_failed_start_quotes_the_log_and_leaves_no_process(tmp_path: Path) -> None:
    cp = ControlPlane(extra_apiserver_args=["--no-such-flag"], workdir=tmp_path)
    with pytest.raises(StartError, match=r"kube-apiserver ended with code 1[\s\S]*unknown flag: --no-such-flag"):
        cp.start()
    assert not _runs(cp.program("etcd").pid)


def test_a_node_that_kwok_cannot_play_fails_with_its_log(fresh_controlplane: FreshControlPlane, tmp_path: Path) -> None:
    stages = tmp_path / "stages.yaml"
    stages.write_text("{}")
    cp = fresh_controlplane(controllers=False, kwok=True, stages=[str(stages)])
    with pytest.raises(StartError, match=r"kwok ended with code 1[\s\S]*no stages found"):
        cp.add_node("node-1")


def test_no_program_survives_the_death_of_its_test_runner() -> None:
    script = (
        "from tests.controlplane import ControlPlane\n"
        "import json, sys\n"
        "cp = ControlPlane(controllers=False).start()\n"
        "print(json.dumps([str(cp.workdir), *(cp.program(n).pid for n in ('etcd', 'kube-apiserver'))]), flush=True)\n"
        "sys.stdin.read()\n"
    )
    runner = subprocess.Popen(
        [sys.executable, "-c", script], cwd=_CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with runner:
        assert runner.stdout is not None
        workdir, *pids = json.loads(runner.stdout.readline())
        assert all(map(_runs, pids))
        runner.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(map(_runs, pids)), 10, "etcd and kube-apiserver to go")
    assert not (Path(workdir) / "etcd").exists()
    shutil.rmtree(workdir)


def test_an_existing_cluster_is_reached_by_the_name_of_its_context_only(
    controlplane: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(controlplane.admin_kubeconfig))
    context = controlplane.kubectl("config", "current-context").strip()
    with existing_cluster(context) as existing:
        assert existing.url == controlplane.url
        assert existing.ca_pem == controlplane.ca_pem
        bob = existing.kubeconfig("bob", ["auditors"])
        assert "auditors" in _kubectl(existing, bob, "auth", "whoami")
    assert not bob.exists()
    with pytest.raises(ValueError, match="CLUSTER=elsewhere"):
        existing_cluster("elsewhere")


def test_people_have_a_control_plane_from_up_to_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(ensure_binaries()))
    monkeypatch.setenv("BREAKWATER_CACHE", str(tmp_path))

    def command(name: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "tests.controlplane", name, "--name", "mine"]
        return subprocess.run(words, cwd=_CHECKOUT, capture_output=True, text=True, check=False)

    up = command("up")
    try:
        assert command("up").stdout == command("kubeconfig").stdout == up.stdout
        kubeconfig = Path(up.stdout.strip().removeprefix("export KUBECONFIG="))
        with monkeypatch.context() as people:
            people.setenv("KUBECONFIG", str(kubeconfig))
            with existing_cluster("breakwater") as cluster:
                assert cluster.get("namespace", "default")
    finally:
        down = command("down")
    assert down.returncode == 0
    assert not kubeconfig.exists()
    assert "mine is not up: python -m tests.controlplane up --name mine" in command("kubeconfig").stderr


def _kubectl(cluster: Cluster, kubeconfig: Path, *arguments: str) -> str:
    """Run kubectl as somebody else; a refusal is in the error's output."""
    command = [str(cluster._kubectl), "--kubeconfig", str(kubeconfig), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout


def _runs(pid: int) -> bool:
    """Tell whether a process lives; a zombie that init has yet to reap does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state) and not state.startswith("Z")
