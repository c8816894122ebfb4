"""Names: resource types, objects, and the subjects that are planned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

GROUP = "breakwater.dev"
VERSION = "v1alpha1"


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """A resource type that an API server may serve.

    Each type is declared once as a module constant and compared by identity: a key is hashed a million times a minute.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its manifests."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


class Ref(NamedTuple):
    """One object, by type and name; `namespace` is empty for cluster-scoped ones."""

    resource: Resource
    namespace: str
    name: str

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.resource.kind} {place}"


class Subject(NamedTuple):
    """What is planned: a resource of ours, or a derived subject such as `Trust` that no resource stands for."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Subject | None:
        """Read back what `str()` wrote; None for anything else, since it may come from an annotation of others."""
        parts = text.split("/")
        if len(parts) == 2 and all(parts):
            return cls(parts[0], "", parts[1])
        if len(parts) == 3 and all(parts):
            return cls(*parts)
        return None


NAMESPACE = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
SECRET = Resource("", "v1", "Secret", "secrets")
CONFIG_MAP = Resource("", "v1", "ConfigMap", "configmaps")
SERVICE = Resource("", "v1", "Service", "services")
POD = Resource("", "v1", "Pod", "pods")
NODE = Resource("", "v1", "Node", "nodes", namespaced=False)
ENDPOINT_SLICE = Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
DEPLOYMENT = Resource("apps", "v1", "Deployment", "deployments")
STATEFUL_SET = Resource("apps", "v1", "StatefulSet", "statefulsets")
DAEMON_SET = Resource("apps", "v1", "DaemonSet", "daemonsets")
CLUSTER_TRUST_BUNDLE = Resource(
    "certificates.k8s.io", "v1", "ClusterTrustBundle", "clustertrustbundles", namespaced=False
)
CUSTOM_RESOURCE_DEFINITION = Resource(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)
POD_DISRUPTION_BUDGET = Resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
INGRESS = Resource("networking.k8s.io", "v1", "Ingress", "ingresses")
INGRESS_CLASS = Resource("networking.k8s.io", "v1", "IngressClass", "ingressclasses", namespaced=False)
MIDDLEWARE = Resource("traefik.io", "v1alpha1", "Middleware", "middlewares")
LEASE = Resource("coordination.k8s.io", "v1", "Lease", "leases")
EVENT = Resource("events.k8s.io", "v1", "Event", "events")
COMMUNICATION_CHANNEL = Resource(GROUP, VERSION, "CommunicationChannel", "communicationchannels")
SECURITY_ZONE = Resource(GROUP, VERSION, "SecurityZone", "securityzones")
ROTATION_SCHEDULE = Resource(GROUP, VERSION, "RotationSchedule", "rotationschedules")
CERTIFICATE_AUTHORITY = Resource(GROUP, VERSION, "CertificateAuthority", "certificateauthorities", namespaced=False)


HARDENING_POLICY = Resource(GROUP, VERSION, "HardeningPolicy", "hardeningpolicies", namespaced=False)
_ADMISSION = "admissionregistration.k8s.io"
MUTATING_POLICY = Resource(_ADMISSION, "v1", "MutatingAdmissionPolicy", "mutatingadmissionpolicies", namespaced=False)
MUTATING_BINDING = Resource(
    _ADMISSION, "v1", "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", namespaced=False
)
VALIDATING_POLICY = Resource(
    _ADMISSION, "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", namespaced=False
)
VALIDATING_BINDING = Resource(
    _ADMISSION, "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", namespaced=False
)
ADMISSION: tuple[Resource, ...] = (MUTATING_POLICY, MUTATING_BINDING, VALIDATING_POLICY, VALIDATING_BINDING)


def definition_of(resource: Resource) -> Ref:
    """The CustomResourceDefinition that a type of ours stands in."""
    return Ref(CUSTOM_RESOURCE_DEFINITION, "", f"{resource.plural}.{resource.group}")
