"""Who may have which certificate from an authority: `spec.usableFrom`, judged by name. Nobody may by default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from breakwater.certificates.kind import CertificateAuthoritySpec, UsableFrom
from breakwater.pki import Usage


def server_refusal(
    spec: CertificateAuthoritySpec, namespace: str, labels: Mapping[str, str], names: Iterable[str], domain: str
) -> str:
    """Why this namespace may not have a server certificate for these names; empty when it may."""
    grants = _grants(spec, labels, Usage.SERVER)
    if not grants:
        return _nothing_granted(namespace, Usage.SERVER)
    refused = [name for name in names if not _may_serve(name, namespace, grants, domain)]
    if not refused:
        return ""
    return (
        f"{', '.join(refused[:3])}: not granted to namespace {namespace}; use names of its own Services "
        f"(NAME.{namespace}.svc), or list them in the authority's spec.usableFrom[].dnsNames"
    )


def client_refusal(spec: CertificateAuthoritySpec, namespace: str, labels: Mapping[str, str], common_name: str) -> str:
    """Why this namespace may not have a client certificate of this name; empty when it may."""
    grants = _grants(spec, labels, Usage.CLIENT)
    if not grants:
        return _nothing_granted(namespace, Usage.CLIENT)
    if any(common_name in grant.common_names for grant in grants):
        return ""
    return (
        f"{common_name}: not granted to namespace {namespace}; list it in the authority's "
        "spec.usableFrom[].commonNames or use a name that is listed there"
    )


def _grants(spec: CertificateAuthoritySpec, labels: Mapping[str, str], usage: Usage) -> list[UsableFrom]:
    return [grant for grant in spec.usable_from if usage in grant.usages and grant.namespace_selector.matches(labels)]


def _nothing_granted(namespace: str, usage: Usage) -> str:
    return (
        f"the authority grants namespace {namespace} no {usage.value} certificates; "
        "its owner adds an entry to spec.usableFrom whose namespaceSelector matches"
    )


def _may_serve(name: str, namespace: str, grants: Iterable[UsableFrom], domain: str) -> bool:
    return is_own_service(name, namespace, domain) or any(
        _covers(pattern, name) for grant in grants for pattern in grant.dns_names
    )


def is_own_service(name: str, namespace: str, domain: str) -> bool:
    """Whether a name belongs to a Service of the namespace, or to pods of a headless one.

    Short names do not: in another namespace they mean another Service.
    """
    for suffix in (f".{namespace}.svc", f".{namespace}.svc.{domain}"):
        if name.endswith(suffix):
            labels = name.removesuffix(suffix).split(".")
            return len(labels) <= 2 and bool(labels[-1]) and labels[-1] != "*"
    return False


def _covers(pattern: str, name: str) -> bool:
    if pattern == name:
        return True
    return pattern.startswith("*.") and name.partition(".")[2] == pattern[2:]
