"""`make demo`: builds what it needs, runs the operator under its own RBAC, applies the example, shows what holds."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.cluster.harness import (
    BASE,
    EXAMPLE,
    NAMESPACE,
    ROOT,
    OperatorProcess,
    conditions,
    install,
    is_ready,
    manifests,
)
from tests.cluster.traefik import Traefik, application, serving
from tests.controlplane import ControlPlane, KubectlError, ensure_binaries, wait_until
from tests.controlplane.build import cache_root
from tests.controlplane.processes import free_ports

SUITE = "bpm"
HOST = "bpm.bpm.example.com"
GATE = "127.0.0.31"
"""Where Traefik serves the suite's Ingress, on the ports of the web."""
STS = "strict-transport-security"
SECRETS = ("bpm-mail-binding", "c-database-binding", "d-ldap-binding")


def step(text: str) -> None:
    """One line of progress, with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:5.1f} s] {text}", flush=True)


def example(port: int, application_port: int) -> list[dict[str, Any]]:
    """The example, with what only this machine needs: servers are processes here, so the Service leads to them."""
    objects = [
        item for file in sorted(EXAMPLE.glob("*.yaml")) if file.name != "kustomization.yaml" for item in manifests(file)
    ]
    for item in objects:
        if item["metadata"]["name"] == "a-web":
            item["spec"]["endpoint"]["port"] = port
            item["spec"]["probe"] = {"interval": "5s"}
        if item["kind"] == "Ingress":
            item["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"]["number"] = application_port
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "bpm-web", "namespace": SUITE},
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": application_port}]},
    }
    order = {"Namespace": 0, "CertificateAuthority": 1}
    return sorted([*objects, service, engine()], key=lambda item: order.get(item["kind"], 2))


def engine() -> dict[str, Any]:
    """The suite's engine: a consumer of the binding Secrets."""
    labels = {"app": "bpm-engine"}
    volumes = [{"name": name, "secret": {"secretName": name}} for name in SECRETS]
    container = {"name": "engine", "image": "bpm-engine:1", "envFrom": [{"secretRef": {"name": SECRETS[0]}}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "bpm-engine", "namespace": SUITE},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container], "volumes": volumes}},
        },
    }


@contextlib.contextmanager
def web_server(cluster: ControlPlane, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The real TLS server of channel A."""
    arguments = [str(ensure_binaries() / "kubectl"), str(cluster.admin_kubeconfig), SUITE, "bpm-web-tls", str(port)]
    process = subprocess.Popen([sys.executable, "-m", "tests.demo.web", *arguments], cwd=ROOT)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def everything_ready(cluster: ControlPlane) -> Callable[[], bool]:
    """Everything declared Ready, the web channel and the zone proven."""

    def check() -> bool:
        items = cluster.get("bwca,chan,rotation,zone", "-A")["items"]
        proven = {item["metadata"]["name"] for item in items if _is_proven(item)}
        return len(items) == 7 and {"a-web", "browsers"} <= proven and all(map(is_ready, items))

    return check


def _is_proven(item: dict[str, Any]) -> bool:
    return conditions(item).get("Proven", {}).get("status") == "True"


def show(cluster: ControlPlane, port: int) -> None:
    """What holds, as the command line shows it, and what was made."""
    breakwater = [sys.executable, "-m", "breakwater"]
    access = [f"--kubeconfig={cluster.admin_kubeconfig}"]
    print()
    subprocess.run([*breakwater, "status", *access], check=True)
    for resource in ("chan/a-web", "zone/browsers", "harden/bpm"):
        subprocess.run([*breakwater, "explain", resource, "-n", SUITE, *access], check=True)
    print("\nMade by Breakwater:")
    print(cluster.kubectl("get", "secrets,configmaps", "-A", "-l", "app.kubernetes.io/managed-by=breakwater"))
    step("a second client asks the web server, trusting only what Breakwater placed in the namespace:")
    bundle = cluster.workdir / "trust.pem"
    bundle.write_text(cluster.get("configmap", "platform-trust", "-n", SUITE)["data"]["ca.crt"])
    handshake(bundle, port)


def show_zone(traefik: Traefik) -> None:
    """What a browser meets at the suite's ingress."""
    step("a browser comes to the suite's Ingress, which a real Traefik serves:")
    plain, secure = (traefik.ask(HOST, secure=each) for each in (False, True))
    print(f"          http://{HOST}/   {plain.status}, Location: {plain.headers['location']}")
    print(f"          https://{HOST}/  {secure.status}, Strict-Transport-Security: {secure.headers[STS]}")


def show_hardening(cluster: ControlPlane) -> None:
    """From Observe to Enforce: a new pod of the suite, and one that wants to be root."""
    step("the suite's pods violate its HardeningPolicy, which only observes; now it enforces:")
    cluster.kubectl("patch", "harden", "bpm", "--type=merge", "-p", '{"spec": {"mode": "Enforce"}}')
    wait_until(lambda: enforced(cluster), 60, "the policies to be tried and bound")
    cluster.kubectl("rollout", "restart", "deployment/bpm-engine", "-n", SUITE)
    cluster.kubectl("rollout", "status", "deployment/bpm-engine", "-n", SUITE, "--timeout=60s")
    pods = cluster.get("pods", "-n", SUITE, "-l", "app=bpm-engine")["items"]
    newest = max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    template = cluster.get("deployment", "bpm-engine", "-n", SUITE)["spec"]["template"]["spec"]
    print(f"          its Deployment says  {json.dumps(template.get('securityContext') or {})}")
    print(f"          its new pods are     {json.dumps(newest['spec'].get('securityContext') or {})}")
    container = {"name": "root", "image": "root:1", "securityContext": {"runAsUser": 0}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root", "namespace": SUITE}}
    try:
        cluster.apply(pod | {"spec": {"containers": [container]}})
    except KubectlError as refusal:
        print(f"          a pod as root is     refused: {str(refusal).partition('denied request: ')[2]}")
    else:
        raise SystemExit("a pod as root was admitted")


def enforced(cluster: ControlPlane) -> bool:
    """Whether the API server holds new pods to the suite's policy."""
    return conditions(cluster.get("harden", "bpm")).get("Enforced", {}).get("status") == "True"


def handshake(bundle: Path, port: int) -> None:
    """openssl as an independent judge; raises when it does not verify."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(bundle), "-verify_return_error"]
    command += ["-verify_hostname", "bpm-web.bpm.svc", "-servername", "bpm-web.bpm.svc", "-brief"]
    answer = subprocess.run(command, input=b"", capture_output=True, check=True)
    told = answer.stderr.decode().splitlines() + answer.stdout.decode().splitlines()
    for line in told:
        if line.startswith(("Protocol version", "Ciphersuite", "Verification", "Verified peername")):
            print(f"          {line}")


def keep(cluster: ControlPlane) -> None:
    """Leave everything running: this process goes to the background and holds it until `make demo-down`."""
    pid = os.fork()
    if pid:
        state_file().write_text(str(pid))
        print(f"\nLeft running; `make demo-down` ends it.\nexport KUBECONFIG={cluster.admin_kubeconfig}", flush=True)
        os._exit(0)
    os.setsid()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


def state_file() -> Path:
    """Holds the process id of a demonstration that was left running."""
    return cache_root() / "demo.pid"


def down() -> None:
    """End a demonstration that was left running."""
    file = state_file()
    if not file.exists():
        print("no demonstration is running")
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(file.read_text()), signal.SIGTERM)
    file.unlink()


def main() -> None:
    """The whole demonstration."""
    if sys.argv[1:] == ["down"]:
        down()
        return
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    step("programs of the control plane (built once, about ten minutes)")
    ensure_binaries()
    port, application_port = free_ports(2)
    allow = ("--probe-allow=127.0.0.0/8", "--probe-allow=::1/128")
    with contextlib.ExitStack() as stack:
        step("starting etcd, API server, controllers, scheduler and a node")
        cluster = stack.enter_context(ControlPlane(scheduler=True, kwok=True))
        cluster.add_node("node-1")
        step(f"installing CRDs and RBAC from {BASE.relative_to(ROOT)}, and the operator under its own account")
        install(cluster)
        operator = stack.enter_context(OperatorProcess(cluster, arguments=allow, identity="demo"))
        step(f"operator ready in namespace {NAMESPACE}; applying {EXAMPLE.relative_to(ROOT)}")
        stack.enter_context(web_server(cluster, port))
        stack.enter_context(application(application_port))
        traefik = stack.enter_context(serving(cluster, GATE))
        for item in example(port, application_port):
            cluster.apply(item)
        wait_until(everything_ready(cluster), 90, "everything to be Ready, the web channel and the zone to be proven")
        step("everything is Ready; web channel and zone are proven on live traffic")
        show(cluster, port)
        show_zone(traefik)
        show_hardening(cluster)
        bugs = operator.metric("breakwater_bugs_total")
        if bugs:
            raise SystemExit(f"the operator met {bugs:.0f} bugs:\n{operator.log_text[-2000:]}")
        if os.environ.get("KEEP"):
            keep(cluster)
        step("cleaning up")
    step("done")


STARTED = time.monotonic()

if __name__ == "__main__":
    main()
