"""Mistakes in a channel: whom it names, what it asks for, and names that are taken."""

from __future__ import annotations

from tests.cluster.bad_input import (
    GIVEN,
    NIGHTS,
    PLACE,
    Row,
    chan,
    client,
    issued,
    login,
    named,
    schedule,
    secret,
    trusting,
)
from tests.cluster.harness import authority

_SERVER, _CLIENT = "spec.encryption.serverCertificate", "spec.authentication.clientCertificate"
_NAMES = f"{_SERVER}.dnsNames"
_PASSWORD = "spec.authentication.password.secretRef: Secret"  # noqa: S105 - a field
_GRANT = "spec.usableFrom[].dnsNames"

NOBODY = authority("nobody", usableFrom=[])
CHANNEL_ROWS: dict[str, Row] = {
    "trust-in-unknown-authority": Row(
        chan("trust-unknown", encryption=trusting(authorityRef={"name": "absent-a"})),
        "AuthorityNotFound",
        "spec.encryption.trust.authorityRef: CertificateAuthority absent-a",
        "create it or name another",
        mended=(authority("absent-a"),),
    ),
    "server-of-unknown-authority": Row(
        chan("server-unknown", encryption=issued("server-unknown", "absent-b")),
        "AuthorityNotFound",
        f"{_SERVER}.authorityRef: CertificateAuthority absent-b",
        "create it or name another",
        mended=(authority("absent-b"),),
    ),
    "client-of-unknown-authority": Row(
        client("client-unknown", "absent-c"),
        "AuthorityNotFound",
        f"{_CLIENT}.authorityRef: CertificateAuthority absent-c",
        "create it or name another",
        mended=(authority("absent-c"),),
    ),
    "namespace-not-granted": Row(
        chan("not-granted", encryption=issued("not-granted", "nobody")),
        "NotPermitted",
        _NAMES,
        "its owner adds an entry to spec.usableFrom whose namespaceSelector matches",
        condition="Accepted",
        beside=(NOBODY,),
    ),
    "client-not-granted": Row(
        client("client-not-granted", "nobody"),
        "NotPermitted",
        f"{_CLIENT}.commonName",
        "its owner adds an entry to spec.usableFrom whose namespaceSelector matches",
        condition="Accepted",
    ),
    "common-name-not-listed": Row(
        client("not-listed", common_name="admin"),
        "NotPermitted",
        f"{_CLIENT}.commonName: admin",
        "list it in the authority's spec.usableFrom[].commonNames or use a name that is listed",
        condition="Accepted",
        mended=(client("not-listed", common_name="app"),),
    ),
    "name-outside": Row(
        named("name-outside", "shop.example.com"),
        "NotPermitted",
        f"{_NAMES}: shop.example.com",
        _GRANT,
        condition="Accepted",
        mended=(named("name-outside"),),
    ),
    "service-of-another-namespace": Row(
        named("foreign-name", "db.other.svc"), "NotPermitted", f"{_NAMES}: db.other.svc", _GRANT, condition="Accepted"
    ),
    "short-service-name": Row(
        named("short-name", "db"),
        "NotPermitted",
        f"{_NAMES}: db",
        f"use names of its own Services (NAME.{PLACE}.svc)",
        condition="Accepted",
    ),
    "wildcard-over-services": Row(
        named("wildcard", f"*.{PLACE}.svc"), "NotPermitted", f"{_NAMES}: *.{PLACE}.svc", _GRANT, condition="Accepted"
    ),
    "wildcard-over-cluster": Row(
        named("wildcard-all", "*.svc.cluster.local"),
        "NotPermitted",
        f"{_NAMES}: *.svc.cluster.local",
        _GRANT,
        condition="Accepted",
    ),
    "server-secret-taken": Row(
        chan("server-taken"),
        "NameTaken",
        f"{_SERVER}.secretName: Secret server-taken-tls",
        "name another, or use existingSecretRef",
        condition="Accepted",
        beside=(secret("server-taken-tls", a=b"b"),),
        gone=("secret", "server-taken-tls", PLACE),
    ),
    "server-secret-of-another-channel": Row(
        chan("second", encryption=issued("second", target="first-tls")),
        "NameTaken",
        f"{_SERVER}.secretName: Secret first-tls belongs to CommunicationChannel/{PLACE}/first",
        "name another",
        condition="Accepted",
        mended=(chan("second", encryption=issued("second", target="second-tls")),),
    ),
    "output-of-another-channel": Row(
        chan("output-second", output={"secretName": "first-tls"}),
        "NameTaken",
        "spec.output.secretName: Secret first-tls",
        "to a free name",
        condition="Accepted",
        mended=(chan("output-second", output={"secretName": "output-second"}),),
    ),
    "binding-taken": Row(
        login("binding-taken"),
        "NameTaken",
        "metadata.name: Secret binding-taken-binding",
        "set spec.output.secretName to a free name",
        condition="Accepted",
        beside=(secret("binding-taken-binding", a=b"b"), secret("binding-taken-given", **GIVEN)),
        gone=("secret", "binding-taken-binding", PLACE),
    ),
    "login-taken": Row(
        login("login-taken", generate={"username": "app"}),
        "NameTaken",
        "Secret login-taken-login, where the login goes",
        "rename or delete it",
        condition="Accepted",
        beside=(secret("login-taken-login", **GIVEN),),
        gone=("secret", "login-taken-login", PLACE),
    ),
    "login-missing": Row(
        login("login-missing"),
        "SecretNotFound",
        f"{_PASSWORD} login-missing-given",
        "create it with username and password",
        mended=(secret("login-missing-given", **GIVEN),),
    ),
    "login-without-username": Row(
        login("login-half"),
        "SecretInvalid",
        f"{_PASSWORD} login-half-given",
        "needs both keys, username and password, not empty",
        beside=(secret("login-half-given", password=b"x"),),
        mended=(secret("login-half-given", **GIVEN),),
    ),
    "login-empty": Row(
        login("login-empty"),
        "SecretInvalid",
        f"{_PASSWORD} login-empty-given",
        "not empty",
        beside=(secret("login-empty-given", username=b"", password=b""),),
        mended=(secret("login-empty-given", **GIVEN),),
    ),
    "schedule-missing": Row(
        chan("scheduled", rotationScheduleRef={"name": "quarterly"}),
        "ScheduleNotFound",
        f"spec.rotationScheduleRef: RotationSchedule {PLACE}/quarterly does not exist",
        "create it or name another",
        mended=(schedule("quarterly"),),
    ),
    "schedule-not-named-any-more": Row(
        chan("unscheduled", rotationScheduleRef={"name": "nobody-has-it"}),
        "ScheduleNotFound",
        f"spec.rotationScheduleRef: RotationSchedule {PLACE}/nobody-has-it does not exist",
        "create it or name another",
        mended=(chan("unscheduled"),),
    ),
    "schedule-whose-day-never-comes": Row(
        chan("scheduled-never", rotationScheduleRef={"name": "never"}),
        "ScheduleNotFound",
        f"RotationSchedule {PLACE}/never is not valid: spec.renewal.schedule: the cron expression has a bad",
        "mend it",
        beside=(schedule("never", renewal={"schedule": {"cron": "0 3 30 2 *"}}),),
        mended=(schedule("never", renewal={"schedule": {"cron": "0 3 28 2 *"}}),),
    ),
    "schedule-of-a-zone-that-is-none": Row(
        schedule("atlantis", windows=[{**NIGHTS, "timeZone": "Europe/Atlantis"}]),
        "InvalidSpec",
        "spec.windows[0]: there is no time zone Europe/Atlantis",
        "mend it",
        condition="Accepted",
        mended=(schedule("atlantis", windows=[NIGHTS]),),
    ),
    "schedule-whose-range-goes-backwards": Row(
        schedule("backwards", windows=[{**NIGHTS, "cron": "0 5-2 * * *"}]),
        "InvalidSpec",
        "spec.windows[0]: the cron expression has a bad hour",
        "mend it",
        condition="Accepted",
    ),
    "service-missing": Row(
        chan("service-missing"),
        "ServiceNotFound",
        "spec.endpoint.host: Service service-missing",
        "create it",
        condition="Proven",
    ),
    "name-outside-constraints": Row(
        chan("constrained", encryption=issued("constrained", "constrained")),
        "NameNotPermitted",
        "dnsNames: 'constrained.bad.svc'",
        "is outside the name constraints of the authority; remove it or use another",
        beside=(authority("constrained", nameConstraints={"permittedDNS": ["example.com"]}),),
    ),
}
