"""What somebody might try who may declare in one namespace: refused before it is stored, and by what right it is not.

Each row adds one right, and with it the same manifest is accepted; so it is exactly that right that was missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.cluster.harness import NAMESPACE, authority, channel

Manifest = dict[str, Any]
HOME, OTHER = "shop", "other"
EVERYWHERE = ""
_ADMISSION = "admissionregistration.k8s.io"


class Rule(NamedTuple):
    """A right as RBAC writes it; `place` is a namespace, or EVERYWHERE."""

    verb: str
    resource: str
    group: str = ""
    name: str = ""
    place: str = HOME

    @property
    def policy_rule(self) -> Manifest:
        names = {"resourceNames": [self.name]} if self.name else {}
        return {"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb], **names}


class Attack(NamedTuple):
    """A declaration that its author may not make.

    Attributes:
        manifest: what is created; of an update what an administrator has made before.
        words: of the refusal: the field, and what he may not do.
        missing: the one right with which it is accepted.
        held: other rights that it takes and that the attacker has.
        change: of an update: a merge patch.
    """

    manifest: Manifest
    words: tuple[str, ...]
    missing: Rule
    held: tuple[Rule, ...] = ()
    change: Mapping[str, Any] | None = None


def kind(name: str, what: str, place: str = HOME, **spec: Any) -> Manifest:
    """A resource of ours; cluster-scoped without a place."""
    metadata = {"name": name} | ({"namespace": place} if place else {})
    return {"apiVersion": "breakwater.dev/v1alpha1", "kind": what, "metadata": metadata, "spec": spec}


def looking(name: str, **spec: Any) -> Manifest:
    """A channel that reads nothing and makes nothing."""
    return channel(HOME, name, **{"encryption": {"trust": {"system": True}}} | spec)


def logging_in(name: str, **spec: Any) -> Manifest:
    """A channel in Observe that names a login: it only reads."""
    password = {"secretRef": {"name": "victim-login"}}
    return looking(name, **{"mode": "Observe", "authentication": {"password": password}} | spec)


def serving(name: str, **spec: Any) -> Manifest:
    return channel(HOME, name, **spec)


def consuming(name: str, *consumers: Mapping[str, Any]) -> Manifest:
    return looking(name, consumers=list(consumers))


def policy(**spec: Any) -> Manifest:
    base: dict[str, Any] = {"namespaceSelector": {}, "profile": {"level": "Baseline"}}
    return kind("pods", "HardeningPolicy", "", **base | spec)


def _update(name: str) -> Rule:
    return Rule("update", "secrets", name=name)


CREATE = Rule("create", "secrets")
USE = Rule("use", "certificateauthorities", "breakwater.dev", "platform")
PODS = Rule("list", "pods", place=EVERYWHERE)
INGRESSES = Rule("list", "ingresses", "networking.k8s.io")
_PATCH = tuple(Rule("patch", plural, "apps") for plural in ("deployments", "statefulsets", "daemonsets"))
_PATCH_ALL = tuple(rule._replace(place=EVERYWHERE) for rule in _PATCH)
_JUDGE = tuple(
    Rule("create", plural, _ADMISSION, place=EVERYWHERE)
    for plural in ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
)
_SET = tuple(
    Rule("create", plural, _ADMISSION, place=EVERYWHERE)
    for plural in ("mutatingadmissionpolicies", "mutatingadmissionpolicybindings")
)
_ROOT = (Rule("create", "secrets", place=NAMESPACE), Rule("update", "secrets", name="authority-mine", place=NAMESPACE))
_AUTHORITY = {"name": "platform"}
_SERVER, _CLIENT = "spec.encryption.serverCertificate", "spec.authentication.clientCertificate"
_DEPLOYMENTS = [{"name": f"mine-{number}", "reload": "Automatic"} for number in range(31)]

ATTACKS: dict[str, Attack] = {
    "login-that-he-may-not-read": Attack(
        logging_in("a01"),
        ("spec.authentication.password.secretRef.name: ", 'may not get secrets "victim-login" in namespace shop'),
        Rule("get", "secrets", name="victim-login"),
    ),
    "server-certificate-that-he-may-not-read": Attack(
        looking(
            "a02", encryption={"trust": {"system": True}, "serverCertificate": {"existingSecretRef": {"name": "v"}}}
        ),
        (f"{_SERVER}.existingSecretRef.name: ", 'may not get secrets "v" in namespace shop'),
        Rule("get", "secrets", name="v"),
    ),
    "secret-as-a-bundle": Attack(
        looking("a03", encryption={"trust": {"bundleRef": {"kind": "Secret", "name": "v", "key": "password"}}}),
        ("spec.encryption.trust.bundleRef.name: ", 'may not get secrets "v"'),
        Rule("get", "secrets", name="v"),
    ),
    "config-map-as-a-bundle": Attack(
        looking("a04", encryption={"trust": {"bundleRef": {"name": "v"}}}),
        ("spec.encryption.trust.bundleRef.name: ", 'may not get configmaps "v"'),
        Rule("get", "configmaps", name="v"),
    ),
    "schedule-that-he-may-not-read": Attack(
        looking("a05", rotationScheduleRef={"name": "nightly"}),
        ("spec.rotationScheduleRef.name: ", 'may not get rotationschedules.breakwater.dev "nightly"'),
        Rule("get", "rotationschedules", "breakwater.dev", "nightly"),
    ),
    "certificate-of-an-authority-that-is-not-his": Attack(
        serving("a06"),
        (f"{_SERVER}.authorityRef.name: ", 'may not use certificateauthorities.breakwater.dev "platform"'),
        USE,
        (CREATE, _update("a06-tls")),
    ),
    "identity-of-an-authority-that-is-not-his": Attack(
        looking("a07", authentication={"clientCertificate": {"authorityRef": _AUTHORITY, "commonName": "app"}}),
        (f"{_CLIENT}.authorityRef.name: ", 'may not use certificateauthorities.breakwater.dev "platform"'),
        USE,
        (CREATE, _update("a07-binding")),
    ),
    "server-secret-made-for-him": Attack(
        serving("a08"),
        ("spec: ", "may not create secrets in namespace shop"),
        CREATE,
        (USE, _update("a08-tls")),
    ),
    "server-secret-changed-for-him": Attack(
        serving("a09"),
        (f"{_SERVER}.secretName: ", 'may not update secrets "a09-tls"'),
        _update("a09-tls"),
        (USE, CREATE),
    ),
    "binding-made-for-him": Attack(
        looking("a10", output={"secretName": "a10"}),
        ("spec: ", "may not create secrets in namespace shop"),
        CREATE,
        (_update("a10"),),
    ),
    "binding-changed-for-him": Attack(
        looking("a11", output={"keys": {"DB_HOST": "host"}}),
        ("spec.output.secretName: ", 'may not update secrets "a11-binding"'),
        _update("a11-binding"),
        (CREATE,),
    ),
    "login-made-for-him": Attack(
        looking("a12", authentication={"password": {"generate": {"username": "app"}}}),
        ("spec.authentication.password.generate: ", 'may not update secrets "a12-login"'),
        _update("a12-login"),
        (CREATE, _update("a12-binding")),
    ),
    "secrets-deleted-for-him": Attack(
        looking("a13", deletionPolicy="Delete"),
        ("spec.deletionPolicy: ", "may not delete secrets in namespace shop"),
        Rule("delete", "secrets"),
    ),
    "restart-of-a-deployment": Attack(
        consuming("a14", {"name": "victim"}),
        ("spec.consumers[0]: ", 'may not patch deployments.apps "victim" in namespace shop'),
        Rule("patch", "deployments", "apps", "victim"),
        (CREATE, _update("a14-binding")),
    ),
    "restart-of-a-stateful-set": Attack(
        consuming("a15", {"name": "mine"}, {"kind": "StatefulSet", "name": "victim"}),
        ("spec.consumers[1]: ", 'may not patch statefulsets.apps "victim"'),
        Rule("patch", "statefulsets", "apps", "victim"),
        (CREATE, _update("a15-binding"), Rule("patch", "deployments", "apps", "mine")),
    ),
    "restart-of-the-last-of-many": Attack(
        consuming("a16", *_DEPLOYMENTS, {"kind": "DaemonSet", "name": "victim"}),
        ("spec.consumers[31]: ", 'may not patch daemonsets.apps "victim"'),
        Rule("patch", "daemonsets", "apps", "victim"),
        (CREATE, _update("a16-binding")),
    ),
    "password-of-others-to-a-host-of-his": Attack(
        logging_in("a17"),
        ("spec.authentication.password.secretRef.name: ", 'may not get secrets "victim-login"'),
        Rule("get", "secrets", name="victim-login"),
        change={"spec": {"endpoint": {"host": "mine.shop.svc", "port": 666}}},
    ),
    "certificate-of-others-with-a-name-of-his": Attack(
        serving("a18"),
        (f"{_SERVER}.authorityRef.name: ", 'may not use certificateauthorities.breakwater.dev "platform"'),
        USE,
        (CREATE, _update("a18-tls")),
        change={"spec": {"encryption": {"serverCertificate": {"dnsNames": ["a18.shop.svc", "mine.shop.svc"]}}}},
    ),
    "observed-channel-put-in-force": Attack(
        serving("a19", mode="Observe"),
        ("spec: ", "may not create secrets in namespace shop"),
        CREATE,
        (USE, _update("a19-tls")),
        change={"spec": {"mode": "Enforce"}},
    ),
    "output-of-others-elsewhere": Attack(
        looking("a20", output={"secretName": "a20"}),
        ("spec.output.secretName: ", 'may not update secrets "mine"'),
        _update("mine"),
        (CREATE,),
        change={"spec": {"output": {"secretName": "mine"}}},
    ),
    "ingresses-that-he-may-not-change": Attack(
        kind("z1", "SecurityZone", ingressSelector={}, mode="Enforce"),
        ("spec.mode: ", "may not patch ingresses.networking.k8s.io in namespace shop"),
        Rule("patch", "ingresses", "networking.k8s.io"),
        (INGRESSES,),
    ),
    "ingresses-that-he-may-not-see": Attack(
        kind("z2", "SecurityZone", ingressSelector={}),
        ("spec.ingressSelector: ", "may not list ingresses.networking.k8s.io in namespace shop"),
        INGRESSES,
    ),
    "restarts-when-he-likes": Attack(
        kind("r1", "RotationSchedule", restarts={"disruptive": "Allow"}),
        ("spec: ", "may not patch statefulsets.apps in namespace shop"),
        _PATCH[1],
        (_PATCH[0], _PATCH[2]),
    ),
    "schedule-of-everybody": Attack(
        kind("default", "RotationSchedule", NAMESPACE, restarts={"maxConcurrent": 0}),
        (
            "spec: ",
            f"may not patch daemonsets.apps in all namespaces, which follow the schedules of namespace {NAMESPACE}",
        ),
        _PATCH_ALL[2],
        (_PATCH_ALL[0], _PATCH_ALL[1], *(rule._replace(place=NAMESPACE) for rule in _PATCH)),
    ),
    "authority-with-the-key-of-another": Attack(
        authority("mine", source={"secretRef": {"name": "authority-platform"}}),
        ("spec.source.secretRef.name: ", f'may not get secrets "authority-platform" in namespace {NAMESPACE}'),
        Rule("get", "secrets", name="authority-platform", place=NAMESPACE),
    ),
    "root-in-the-operator's-namespace": Attack(
        authority("mine"),
        ("spec.source: ", f"may not create secrets in namespace {NAMESPACE}"),
        _ROOT[0],
        (_ROOT[1],),
    ),
    "root-that-another-has-left": Attack(
        authority("mine"),
        ("spec.source: ", f'may not update secrets "authority-mine" in namespace {NAMESPACE}'),
        _ROOT[1],
        (_ROOT[0],),
    ),
    "trust-in-every-namespace": Attack(
        authority("mine", trust={"namespaceSelector": {}}),
        ("spec.trust.namespaceSelector: ", "may not create configmaps cluster-wide"),
        Rule("create", "configmaps", place=EVERYWHERE),
        _ROOT,
    ),
    "trust-of-the-cluster": Attack(
        authority("mine", trust={"clusterTrustBundle": True}),
        ("spec.trust.clusterTrustBundle: ", "may not create clustertrustbundles.certificates.k8s.io cluster-wide"),
        Rule("create", "clustertrustbundles", "certificates.k8s.io", place=EVERYWHERE),
        _ROOT,
    ),
    "authority-by-a-schedule-that-he-may-not-read": Attack(
        authority("mine", rotationScheduleRef={"name": "nightly"}),
        ("spec.rotationScheduleRef.name: ", 'may not get rotationschedules.breakwater.dev "nightly" in namespace'),
        Rule("get", "rotationschedules", "breakwater.dev", "nightly", NAMESPACE),
        _ROOT,
    ),
    "what-pods-of-others-lack": Attack(
        policy(),
        ("spec.namespaceSelector: ", "may not list pods cluster-wide"),
        PODS,
    ),
    "pods-of-others-refused": Attack(
        policy(mode="Enforce"),
        ("spec.mode: ", "may not create validatingadmissionpolicies.admissionregistration.k8s.io cluster-wide"),
        _JUDGE[0],
        (PODS, _JUDGE[1]),
    ),
    "policies-bound-everywhere": Attack(
        policy(mode="Enforce"),
        ("spec.mode: ", "may not create validatingadmissionpolicybindings.admissionregistration.k8s.io cluster-wide"),
        _JUDGE[1],
        (PODS, _JUDGE[0]),
    ),
    "pods-of-others-changed": Attack(
        policy(mode="Enforce", podDefaults={"fsGroup": 0}),
        ("spec.podDefaults: ", "may not create mutatingadmissionpolicies.admissionregistration.k8s.io cluster-wide"),
        _SET[0],
        (PODS, *_JUDGE, _SET[1]),
    ),
    "changes-bound-everywhere": Attack(
        policy(mode="Enforce", podDefaults={"dropCapabilities": ["ALL"]}),
        ("spec.podDefaults: ", "may not create mutatingadmissionpolicybindings.admissionregistration.k8s.io"),
        _SET[1],
        (PODS, *_JUDGE, _SET[0]),
    ),
}
