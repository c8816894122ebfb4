"""The flags each program is started with. Paths are relative to the control plane's working folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SERVICE_RANGE = "127.18.0.0/16"
"""Addresses of Services. Loopback, so that no test can reach another machine through one; on Linux a test server may
even listen on the address of the Service it stands for."""

SERVICE_ADDRESS = "127.18.0.1"
"""Where the Service `kubernetes` would be, the first address of the range."""

POD_RANGE = "198.19.0.1/16"
"""Addresses that kwok gives to pods: set aside for benchmarks, routed nowhere. EndpointSlices refuse loopback."""

_MEGABYTES = 1_000_000


def etcd(port: int, peer_port: int) -> list[str]:
    """Return the flags of an etcd that keeps its data for as long as the machine does not crash."""
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    return [
        "--data-dir=etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync=true",
        "--log-level=warn",
    ]


def apiserver(port: int, etcd_port: int, *, audited: bool, extra: Sequence[str]) -> list[str]:
    """Return the flags of kube-apiserver; `extra` come last."""
    audit = [
        "--audit-policy-file=audit-policy.json",
        "--audit-log-path=audit.log",
        f"--audit-log-maxsize={_MEGABYTES}",  # one file: a rotated one would be missed by those who read it
    ]
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        "--external-hostname=localhost",
        "--endpoint-reconciler-type=none",  # a loopback address is refused as an endpoint of Service `kubernetes`
        "--tls-cert-file=pki/server.crt",
        "--tls-private-key-file=pki/server.key",
        "--client-ca-file=pki/ca.crt",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=pki/service-accounts.pub",
        "--service-account-signing-key-file=pki/service-accounts.key",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--disable-admission-plugins=ServiceAccount",  # else pods are refused until the controller has made `default`
        "--allow-privileged=true",
        *(audit if audited else []),
        *extra,
    ]


def controller_manager() -> list[str]:
    """Return the flags of kube-controller-manager."""
    return [
        "--kubeconfig=kube-controller-manager.kubeconfig",
        "--service-account-private-key-file=pki/service-accounts.key",
        "--root-ca-file=pki/ca.crt",
        "--cluster-signing-cert-file=pki/ca.crt",
        "--cluster-signing-key-file=pki/ca.key",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",  # at the default of 20 its start alone, a token for each controller, takes 5 s
        "--kube-api-burst=400",
    ]


def scheduler() -> list[str]:
    """Return the flags of kube-scheduler."""
    return ["--kubeconfig=kube-scheduler.kubeconfig", "--leader-elect=false", "--secure-port=0"]


def kwok() -> list[str]:
    """Return the flags of kwok; without stages it would end at once."""
    return [
        "--kubeconfig=kwok.kubeconfig",
        "--config=stages.yaml",
        "--manage-all-nodes=true",
        f"--cidr={POD_RANGE}",
        "--node-ip=127.0.0.1",
    ]


CLIENTS: dict[str, Callable[[], list[str]]] = {
    "kube-controller-manager": controller_manager,
    "kube-scheduler": scheduler,
    "kwok": kwok,
}
