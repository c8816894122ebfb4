"""What every builder makes is what the API server keeps: planned again by a new process, nothing differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from breakwater.pki import Algorithm, KeyPair, LeafRequest, RootRequest, Usage, issue_leaf, issue_root
from tests.cluster.harness import NAMESPACE, USER, OperatorProcess, all_ready, authority, channel, install
from tests.cluster.ledger import still
from tests.cluster.second_client import Manifest, encoded
from tests.controlplane import ControlPlane, mutating, wait_until

PLACE = "variety"
PATIENCE = 90
QUIET_SECONDS = 8
DAY = timedelta(days=30)


def _tls_secret(name: str, namespace: str, pair: KeyPair) -> Manifest:
    data = {"tls.crt": encoded(pair.certificate_pem), "tls.key": encoded(pair.key.open())}
    return _object("Secret", name, namespace, type="kubernetes.io/tls", data=data)


def _object(kind: str, name: str, namespace: str = "", **rest: Any) -> Manifest:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **rest}


def _brought() -> list[Manifest]:
    """What users keep themselves: a root, a leaf, bundles, a login."""
    now = datetime.now(UTC)
    root = issue_root(RootRequest(common_name="brought", algorithm=Algorithm.ECDSA_P384, lifetime=4 * DAY), now)
    request = LeafRequest(
        usages=frozenset({Usage.SERVER}),
        algorithm=Algorithm.ECDSA_P256,
        lifetime=DAY,
        dns_names=(f"existing.{PLACE}.svc",),
    )
    text = root.certificate_pem.decode()
    return [
        _tls_secret("brought-root", NAMESPACE, root),
        _tls_secret("existing", PLACE, issue_leaf(request, root, now)),
        _object("ConfigMap", "bundle", PLACE, data={"authorities.pem": f"# with a comment\n{text}"}),
        _object("Secret", "bundle", PLACE, stringData={"ca.crt": text}),
        _object("Secret", "own-login", PLACE, stringData={"username": "own", "password": "a-password-of-theirs"}),
    ]


TRUST = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": PLACE}}, "clusterTrustBundle": True}
AUTHORITIES: dict[str, Mapping[str, Any]] = {
    **{algorithm.value.lower(): {"algorithm": algorithm.value, "trust": TRUST} for algorithm in Algorithm},
    "brought": {"source": {"secretRef": {"name": "brought-root"}}, "trust": TRUST, "leafLifetime": {"default": "24h"}},
    "constrained": {"nameConstraints": {"permittedDNS": ["svc"], "excludedDNS": ["kube-system.svc"]}},
    "placed-nowhere": {},
}

GENERATED = {"generate": {"username": "cn=app,ou=services", "length": 64}}
ALIASES = {
    "keys": {"USER": "username", "PASS": "password", "CHAIN": "certificates", "KEY": "private-key", "CA": "ca.crt"}
}


def _channels() -> list[Manifest]:
    signed = [
        channel(
            PLACE,
            f"by-{name}",
            name,
            authentication={
                "password": GENERATED,
                "clientCertificate": {"authorityRef": {"name": name}, "commonName": "app"},
            },
            output=ALIASES,
        )
        for name in AUTHORITIES
    ]
    return [*signed, *(channel(PLACE, name, "ecdsa-p256", **spec) for name, spec in _variants().items())]


def _variants() -> dict[str, dict[str, Any]]:
    reference = {"name": "ecdsa-p256"}
    issued = {"secretName": "by-bundle-tls", "authorityRef": reference, "dnsNames": [f"by-bundle.{PLACE}.svc"]}
    from_map = {"kind": "ConfigMap", "name": "bundle", "key": "authorities.pem"}
    return {
        "existing": {
            "encryption": {
                "trust": {"authorityRef": reference},
                "serverCertificate": {"existingSecretRef": {"name": "existing"}},
            }
        },
        "by-bundle": {
            "encryption": {"trust": {"bundleRef": from_map}, "serverCertificate": issued},
            "consumers": [{"name": "app"}],
        },
        "by-secret-bundle": {
            "encryption": {"trust": {"bundleRef": {"kind": "Secret", "name": "bundle"}}},
            "output": {"secretName": "handed-over"},
        },
        "by-system": {"encryption": {"trust": {"system": True}}, "consumers": [{"kind": "StatefulSet", "name": "app"}]},
        "own-login": {"authentication": {"password": {"secretRef": {"name": "own-login"}}}, "deletionPolicy": "Delete"},
        "ldap": {"protocol": "LDAP", "authentication": {"password": GENERATED}},
        "oracle": {"protocol": "Oracle", "output": {"keys": {"CA": "ca.crt", "SERVER": "host"}}},
        "no-certificate": {"encryption": {"trust": {"authorityRef": reference}}},
    }


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    with ControlPlane() as own:
        install(own)
        own.apply(_object("Namespace", PLACE))
        own.apply(_brought())
        yield own


def test_a_new_process_finds_nothing_to_write(cluster: ControlPlane) -> None:
    with OperatorProcess(cluster, identity="first") as first:
        first.wait_leading()
        cluster.apply([authority(name, **spec) for name, spec in AUTHORITIES.items()])
        cluster.apply(_channels())
        wait_until(all_ready(cluster), PATIENCE, "every variety being Ready", interval=0.5)
        made = _versions(cluster)
        assert len(made) > 3 * len(AUTHORITIES)
        still(cluster, QUIET_SECONDS, PATIENCE)
    mark, made = cluster.audit().mark(), _versions(cluster)
    with OperatorProcess(cluster, identity="second") as second:
        second.wait_leading()
        subjects = len(AUTHORITIES) + len(_channels())
        wait_until(lambda: second.metric("breakwater_plans_total") >= subjects, PATIENCE, "every subject being planned")
        still(cluster, QUIET_SECONDS, PATIENCE)
        planned = second.metric("breakwater_plans_total")
    written = mutating(cluster.audit().events(mark), USER)
    assert [(event.verb, event.resource, event.subresource, event.name) for event in written] == []
    assert _versions(cluster) == made
    print(f"\nidempotence: {len(made)} objects, {planned:.0f} plans by the new process, 0 writes")


def _versions(cluster: ControlPlane) -> dict[tuple[str, str, str], str]:
    """The version of everything that is ours or that we report on."""
    kinds = "secrets,configmaps,clustertrustbundles"
    items = [
        *cluster.get(kinds, "-A", "-l", "app.kubernetes.io/managed-by=breakwater")["items"],
        *cluster.get("bwca,chan", "-A")["items"],
    ]
    return {
        (item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]): item["metadata"][
            "resourceVersion"
        ]
        for item in items
    }
