"""A real Kubernetes control plane for tests and for people, without containers."""

from tests.controlplane.audit import AuditEvent, AuditLevel, AuditLog, mutating
from tests.controlplane.build import BuildError, ensure_binaries
from tests.controlplane.cluster import Cluster, KubectlError
from tests.controlplane.controlplane import ControlPlane
from tests.controlplane.existing import ExistingCluster, existing_cluster, requested_context
from tests.controlplane.processes import StartError, wait_until

__all__ = [
    "AuditEvent",
    "AuditLevel",
    "AuditLog",
    "BuildError",
    "Cluster",
    "ControlPlane",
    "ExistingCluster",
    "KubectlError",
    "StartError",
    "ensure_binaries",
    "existing_cluster",
    "mutating",
    "requested_context",
    "wait_until",
]
