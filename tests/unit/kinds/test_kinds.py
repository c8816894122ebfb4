from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from breakwater.certificates.kind import KIND as AUTHORITY
from breakwater.certificates.kind import CertificateAuthoritySpec
from breakwater.certificates.rotation import KIND as ROTATION
from breakwater.certificates.rotation import RotationScheduleSpec
from breakwater.channels.encryption import CipherSuite
from breakwater.channels.kind import KIND as CHANNEL
from breakwater.channels.kind import CommunicationChannelSpec
from breakwater.channels.protocols import TRAITS, Protocol, Security, default_port, default_security
from breakwater.hardening.kind import KIND as HARDENING
from breakwater.kernel.fields import LabelSelector
from breakwater.kernel.kind import Kind
from breakwater.kernel.model import InvalidModelError, Model
from breakwater.probes.ciphers import OPENSSL_NAMES, TLS13_SUITES
from breakwater.zones.kind import KIND as ZONE
from tests.kinds_bad_inputs import BAD_INPUTS, BASES, BadInput, merged

KINDS = {kind.resource.kind: kind for kind in (CHANNEL, AUTHORITY, ROTATION, ZONE, HARDENING)}
GOOD = sorted((Path(__file__).parent / "samples/good").glob("*.yaml"))
STATUSES = Path(__file__).parent / "samples/status"
MANIFESTS = [manifest for path in GOOD for manifest in yaml.safe_load_all(path.read_text())]


def channel(**change: Any) -> CommunicationChannelSpec:
    return CommunicationChannelSpec.read_strictly(merged(BASES["CommunicationChannel"], change))


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest["metadata"]["name"])
def test_a_good_sample_is_read_strictly_and_written_back(manifest: dict[str, Any]) -> None:
    model = KINDS[manifest["kind"]].spec
    spec = model.read_strictly(manifest["spec"])
    assert model.read_strictly(spec.manifest()) == spec


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.id)
def test_a_mistake_in_a_file_is_refused_with_field_and_remedy(bad: BadInput) -> None:
    with pytest.raises(InvalidModelError) as refused:
        KINDS[bad.kind].spec.read_strictly(bad.spec)
    words = bad.model_message or bad.message
    assert any(bad.field == problem.field and words in problem.message for problem in refused.value.problems), (
        refused.value
    )


def test_the_table_of_mistakes_is_long_and_names_each_once() -> None:
    assert len({bad.id for bad in BAD_INPUTS}) == len(BAD_INPUTS) >= 80


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_field_of_a_kind_is_used_by_a_good_sample(kind: Kind) -> None:
    specs = [kind.spec.read_strictly(item["spec"]) for item in MANIFESTS if item["kind"] == kind.resource.kind]
    used: set[str] = set()
    for spec in specs:
        used |= set(_paths(spec))
    assert set(_declared(kind.spec)) - used == set()


def _paths(model: Model, path: str = "") -> list[str]:
    found: list[str] = []
    for name in model.model_fields_set:
        value = getattr(model, name)
        found.append(f"{path}.{name}")
        for item in value if isinstance(value, tuple) else (value,):
            found += _paths(item, f"{path}.{name}") if isinstance(item, Model) else []
    return found


def _declared(model: type[Model], path: str = "") -> list[str]:
    found: list[str] = []
    for name, field in model.model_fields.items():
        found.append(f"{path}.{name}")
        for part in _models(field.annotation):
            found += _declared(part, f"{path}.{name}")
    return found


def _models(annotation: Any) -> list[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return [] if annotation is LabelSelector else [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def test_defaults_are_those_of_the_design() -> None:
    authority = CertificateAuthoritySpec.read({"source": {"selfManaged": {}}})
    assert authority.manifest() == {
        "mode": "Enforce",
        "suspend": False,
        "source": {"selfManaged": {}},
        "algorithm": "ECDSA-P256",
        "lifetime": "87600h",
        "leafLifetime": {"default": "2160h", "maximum": "9528h"},
        "usableFrom": [],
    }
    assert RotationScheduleSpec.read({}).manifest() == {
        "renewal": {"percentage": 67},
        "windows": [],
        "jitter": 10,
        "overlap": "24h",
        "restarts": {"maxConcurrent": 1, "minReady": "30s", "stopOnFailure": True, "disruptive": "WindowOnly"},
    }
    spec = channel()
    assert spec.encryption.minimum_version == "TLSv1.2"
    assert spec.encryption.cipher_profile == "Intermediate"
    assert spec.deletion_policy == "Retain"
    assert (spec.probe.interval, spec.probe.negative_interval) == (timedelta(minutes=5), timedelta(hours=24))
    assert channel(authorization={}).authorization.mode == "Observe"  # type: ignore[union-attr]  # just given
    assert channel(authentication={"password": {"generate": {"username": "a"}}}).manifest()["authentication"] == {
        "password": {"generate": {"username": "a", "length": 32}}
    }


PROTOCOLS = [
    (Protocol.HTTPS, None, Security.IMPLICIT, 443),
    (Protocol.SMTP, None, Security.START_TLS, 587),
    (Protocol.SMTP, Security.IMPLICIT, Security.IMPLICIT, 465),
    (Protocol.POSTGRESQL, None, Security.START_TLS, 5432),
    (Protocol.POSTGRESQL, Security.IMPLICIT, Security.IMPLICIT, 5432),
    (Protocol.MYSQL, None, Security.START_TLS, 3306),
    (Protocol.SQLSERVER, None, Security.START_TLS, 1433),
    (Protocol.SQLSERVER, Security.IMPLICIT, Security.IMPLICIT, 1433),
    (Protocol.ORACLE, None, Security.IMPLICIT, 2484),
    (Protocol.LDAP, None, Security.IMPLICIT, 636),
    (Protocol.LDAP, Security.START_TLS, Security.START_TLS, 389),
]


@pytest.mark.parametrize(("protocol", "written", "security", "port"), PROTOCOLS)
def test_security_and_port_follow_from_the_protocol(
    protocol: Protocol, written: Security | None, security: Security, port: int
) -> None:
    spec = channel(protocol=protocol.value, endpoint={"security": written.value if written else None})
    assert (spec.security, spec.port) == (security, port)
    assert channel(protocol=protocol.value, endpoint={"port": 7}).port == 7


def test_every_protocol_has_a_default_and_plain_tls_no_port() -> None:
    assert {protocol for protocol in Protocol if default_port(protocol) is None} == {Protocol.TLS}
    assert set(TRAITS) == set(Protocol)
    assert default_port(Protocol.MYSQL, Security.IMPLICIT) is None
    assert default_security(Protocol.TLS) is Security.IMPLICIT


@pytest.mark.parametrize(
    ("dns_names", "name", "covered"),
    [
        (["db.bpm.svc"], "db.bpm.svc", True),
        (["*.bpm.svc"], "db.bpm.svc", True),
        (["*.bpm.svc"], "a.db.bpm.svc", False),
        (["*.bpm.svc"], "bpm.svc", False),
        (["other.bpm.svc"], "db.bpm.svc", False),
    ],
)
def test_a_certificate_must_be_for_the_name_that_clients_verify(dns_names: list[str], name: str, covered: bool) -> None:
    certificate = {"secretName": "tls", "authorityRef": {"name": "platform"}, "dnsNames": dns_names}
    change = {"endpoint": {"serverName": name}, "encryption": {"serverCertificate": certificate}}
    if covered:
        assert channel(**change).certificate_covers_name
    else:
        with pytest.raises(InvalidModelError, match="must hold the name that clients verify"):
            channel(**change)


def test_every_cipher_suite_is_known_to_the_prober_and_keeps_forward_secrecy() -> None:
    suites = {suite.value for suite in CipherSuite}
    assert suites <= set(OPENSSL_NAMES)
    assert {suite.value for suite in CipherSuite if suite.is_tls13} == set(TLS13_SUITES)
    for suite in suites - set(TLS13_SUITES):
        assert "DHE_" in suite
        assert not any(weak in suite for weak in ("NULL", "EXPORT", "RC4", "3DES", "MD5", "anon"))


def test_only_keys_that_breakwater_makes_carry_its_constraints() -> None:
    sources = {
        "selfManaged": ({}, True),
        "csr": ({}, True),
        "secretRef": ({"name": "ca"}, False),
        "certManager": ({"issuerRef": {"name": "v"}}, False),
    }
    for member, (value, makes) in sources.items():
        assert CertificateAuthoritySpec.read({"source": {member: value}}).source.makes_key is makes


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_status_is_written_as_it_was_read(kind: Kind) -> None:
    data = yaml.safe_load((STATUSES / f"{kind.resource.kind}.yaml").read_text())
    assert kind.status.read_strictly(data, "status").manifest() == data
    assert kind.status.read({}, "status") == kind.status(), "a status that was wiped is an empty one"
