"""What the author of a CommunicationChannel must be allowed to do."""

from __future__ import annotations

from collections.abc import Iterator

from breakwater.kernel.references import (
    CERTIFICATE_AUTHORITY,
    COMMUNICATION_CHANNEL,
    DAEMON_SET,
    DEPLOYMENT,
    GROUP,
    ROTATION_SCHEDULE,
    SECRET,
    STATEFUL_SET,
)
from breakwater.tenancy.policy import ENFORCED, Policy, optional
from breakwater.tenancy.rights import NAMESPACE, Need, Right, Term, text

MOST_CONSUMERS = 32
CONSUMERS_IN_A_POLICY = 16
"""The API server grants one policy 28 questions to its authorizer for one request, and one expression 2."""
_READ_FOR_YOU = "Breakwater does not read it for others"

_REFERENCES = {
    "login": "spec.authentication.password.secretRef.name",
    "existing": "spec.encryption.serverCertificate.existingSecretRef.name",
    "schedule": "spec.rotationScheduleRef.name",
    "server": "spec.encryption.serverCertificate.secretName",
    "serverAuthority": "spec.encryption.serverCertificate.authorityRef.name",
    "clientAuthority": "spec.authentication.clientCertificate.authorityRef.name",
    "generated": "spec.authentication.password.generate.username",
    "output": "spec.output.secretName",
    "bundle": "spec.encryption.trust.bundleRef.name",
    "bundleKind": "spec.encryption.trust.bundleRef.kind",
}
_HANDS_OVER = (
    "has(object.spec.authentication) || size(object.spec.?consumers.orValue([])) > 0 || "
    "variables.output != '' || size(object.spec.?output.?keys.orValue({})) > 0"
)
_MADE = {
    "madeLogin": "variables.generated == '' ? '' : object.metadata.name + '-login'",
    "madeBinding": "variables.output != '' ? variables.output : "
    f"(({_HANDS_OVER}) ? object.metadata.name + '-binding' : '')",
}


def _variable(name: str) -> Term:
    return Term(f"variables.{name}")


def _named(name: str) -> str:
    return f"variables.{name} != ''"


def _get(variable: str, group: str, resource: str, what: str, when: str = "") -> Need:
    return Need(
        field=_REFERENCES[variable],
        when=when or _named(variable),
        right=Right("get", group, resource, NAMESPACE, _variable(variable)),
        why=_READ_FOR_YOU,
        instead=f"name a {what} that you may read",
    )


def _reads() -> Iterator[Need]:
    yield _get("login", "", "secrets", "Secret")
    yield _get("existing", "", "secrets", "Secret")
    kind = "variables.bundleKind"
    yield _get("bundle", "", "secrets", "Secret", f"{_named('bundle')} && {kind} == 'Secret'")
    yield _get("bundle", "", "configmaps", "ConfigMap", f"{_named('bundle')} && {kind} != 'Secret'")
    yield _get("schedule", GROUP, ROTATION_SCHEDULE.plural, "RotationSchedule")


def _uses() -> Iterator[Need]:
    for variable in ("serverAuthority", "clientAuthority"):
        yield Need(
            field=_REFERENCES[variable],
            when=f"{ENFORCED} && {_named(variable)}",
            right=Right("use", GROUP, CERTIFICATE_AUTHORITY.plural, NAMESPACE, _variable(variable)),
            why="certificates of it are issued to its users only",
            instead="name an authority that you may use",
        )


def _made() -> Iterator[Need]:
    secrets = "every Secret that a channel makes is made in its author's name"
    yield Need(
        field="spec",
        when=f"{ENFORCED} && ({_named('server')} || {_named('madeLogin')} || {_named('madeBinding')})",
        right=Right("create", "", SECRET.plural, NAMESPACE),
        why=secrets,
        instead="set spec.mode to Observe",
    )
    for variable, field in (
        ("server", _REFERENCES["server"]),
        ("madeLogin", "spec.authentication.password.generate"),
        ("madeBinding", _REFERENCES["output"]),
    ):
        yield Need(
            field=field,
            when=f"{ENFORCED} && {_named(variable)}",
            right=Right("update", "", SECRET.plural, NAMESPACE, _variable(variable)),
            why="whoever changes the channel changes that Secret",
            instead="set spec.mode to Observe",
        )
    yield Need(
        field="spec.deletionPolicy",
        when=f"{ENFORCED} && object.spec.?deletionPolicy.orValue('Retain') == 'Delete'",
        right=Right("delete", "", SECRET.plural, NAMESPACE),
        why="with Delete its Secrets are deleted in your name",
        instead="set it to Retain",
    )


def _consumer(number: int) -> Need:
    item = f"object.spec.consumers[{number}]"
    restarted = f"size(object.spec.?consumers.orValue([])) > {number} && {item}.reload == 'Restart'"
    return Need(
        field=f"spec.consumers[{number}]",
        when=f"{ENFORCED} && {restarted}",
        right=Right(
            "patch", DEPLOYMENT.group, Term(f"variables.plurals[{item}.kind]"), NAMESPACE, Term(f"{item}.name")
        ),
        why="a restart is ordered in your name",
        instead="set its reload to Automatic, or remove it",
    )


def _consumers() -> Iterator[Policy]:
    workloads = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)
    plurals = ", ".join(f"{text(item.kind)}: {text(item.plural)}" for item in workloads)
    for first in range(0, MOST_CONSUMERS, CONSUMERS_IN_A_POLICY):
        yield Policy(
            name=f"{COMMUNICATION_CHANNEL.plural}-consumers-{first}",
            resources=(COMMUNICATION_CHANNEL,),
            variables={"plurals": f"{{{plurals}}}"},
            needs=tuple(_consumer(first + number) for number in range(CONSUMERS_IN_A_POLICY)),
        )


def policies() -> tuple[Policy, ...]:
    """References and Secrets in one, consumers in others: they are too many for one policy's budget."""
    variables = {name: optional(path) for name, path in _REFERENCES.items()} | _MADE
    references = Policy(
        name=COMMUNICATION_CHANNEL.plural,
        resources=(COMMUNICATION_CHANNEL,),
        variables=variables,
        needs=(*_reads(), *_uses(), *_made()),
    )
    return (references, *_consumers())
