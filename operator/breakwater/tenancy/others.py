"""What the authors of the other kinds must be allowed to do, and who may write status."""

from __future__ import annotations

from collections.abc import Iterator

from breakwater.hardening.kind import PodDefaults
from breakwater.kernel.references import (
    CERTIFICATE_AUTHORITY,
    CLUSTER_TRUST_BUNDLE,
    COMMUNICATION_CHANNEL,
    CONFIG_MAP,
    DAEMON_SET,
    DEPLOYMENT,
    GROUP,
    HARDENING_POLICY,
    INGRESS,
    MUTATING_BINDING,
    MUTATING_POLICY,
    POD,
    ROTATION_SCHEDULE,
    SECRET,
    SECURITY_ZONE,
    STATEFUL_SET,
    VALIDATING_BINDING,
    VALIDATING_POLICY,
)
from breakwater.tenancy.policy import ENFORCED, Policy, optional
from breakwater.tenancy.rights import NAMESPACE, OPERATOR, USER, Need, Right, Term, text

_OPERATOR = text(OPERATOR)
_HOME = {"operator": _OPERATOR, "home": "variables.operator.split(':')[2]"}
_AT_HOME = Term("variables.home")
_OBSERVE = "set spec.mode to Observe"


def _authority() -> Policy:
    references = {
        "brought": "spec.source.secretRef.name",
        "signed": "spec.source.csr.certificateRef.name",
        "schedule": "spec.rotationScheduleRef.name",
    }
    return Policy(
        name=CERTIFICATE_AUTHORITY.plural,
        resources=(CERTIFICATE_AUTHORITY,),
        variables=_HOME
        | {name: optional(path) for name, path in references.items()}
        | {"root": "'authority-' + object.metadata.name"},
        needs=(*_read_at_home(references), *_root(), *_trust()),
    )


def _read_at_home(references: dict[str, str]) -> Iterator[Need]:
    for variable, group, resource in (
        ("brought", "", SECRET.plural),
        ("signed", "", CONFIG_MAP.plural),
        ("schedule", GROUP, ROTATION_SCHEDULE.plural),
    ):
        yield Need(
            field=references[variable],
            when=f"variables.{variable} != ''",
            right=Right("get", group, resource, _AT_HOME, Term(f"variables.{variable}")),
            why="Breakwater does not read it for others",
            instead="name one that you may read",
        )


def _root() -> Iterator[Need]:
    makes = f"{ENFORCED} && (has(object.spec.source.selfManaged) || has(object.spec.source.csr))"
    why = "the root key of the authority lies in a Secret there"
    yield Need("spec.source", makes, Right("create", "", SECRET.plural, _AT_HOME), why, _OBSERVE)
    yield Need(
        "spec.source", makes, Right("update", "", SECRET.plural, _AT_HOME, Term("variables.root")), why, _OBSERVE
    )


def _trust() -> Iterator[Need]:
    yield Need(
        field="spec.trust.namespaceSelector",
        when=f"{ENFORCED} && object.spec.?trust.?namespaceSelector.hasValue()",
        right=Right("create", "", CONFIG_MAP.plural),
        why="the bundle is placed in whatever namespace it selects",
        instead="leave it out",
    )
    yield Need(
        field="spec.trust.clusterTrustBundle",
        when=f"{ENFORCED} && object.spec.?trust.?clusterTrustBundle.orValue(false)",
        right=Right("create", CLUSTER_TRUST_BUNDLE.group, CLUSTER_TRUST_BUNDLE.plural),
        why="the bundle is made in your name",
        instead="leave it out",
    )


def _schedule() -> Policy:
    """A schedule decides when workloads of its namespace restart; one of the operator's namespace, everybody's."""
    at_home = "request.namespace == variables.home"
    place = {
        "place": f"{at_home} ? '' : request.namespace",
        "where": f"{at_home} ? 'all namespaces, which follow the schedules of namespace ' + request.namespace "
        ": 'namespace ' + request.namespace",
    }
    return Policy(
        name=ROTATION_SCHEDULE.plural,
        resources=(ROTATION_SCHEDULE,),
        variables=_HOME | place,
        needs=tuple(
            Need(
                field="spec",
                when="",
                right=Right("patch", item.group, item.plural, Term("variables.place"), where=Term("variables.where")),
                why="a schedule decides when workloads are restarted",
                instead="have it written by somebody who may",
            )
            for item in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)
        ),
    )


def _zone() -> Policy:
    return Policy(
        name=SECURITY_ZONE.plural,
        resources=(SECURITY_ZONE,),
        needs=(
            Need(
                "spec.ingressSelector",
                "",
                Right("list", INGRESS.group, INGRESS.plural, NAMESPACE),
                "status shows what it selects",
                "have it written by somebody who may",
            ),
            Need(
                "spec.mode",
                ENFORCED,
                Right("patch", INGRESS.group, INGRESS.plural, NAMESPACE),
                "what the selector meets, now or later, is changed in your name",
                _OBSERVE,
            ),
        ),
    )


def _sets_something() -> str:
    """Whether `podDefaults` asks for anything, by whatever member."""
    told = []
    for name, member in PodDefaults.model_fields.items():
        path = f"object.spec.?podDefaults.?{member.alias or name}"
        told.append(f"size({path}.orValue([])) > 0" if member.default == () else f"{path}.hasValue()")
    return f"({' || '.join(told)})"


def _hardening() -> Policy:
    seen = Need(
        "spec.namespaceSelector",
        "",
        Right("list", "", POD.plural),
        "status shows what pods of all these namespaces lack",
        "have it written by somebody who may",
    )
    why = "the admission policies are made in your name"
    judging = tuple(
        Need("spec.mode", ENFORCED, Right("create", item.group, item.plural), why, _OBSERVE)
        for item in (VALIDATING_POLICY, VALIDATING_BINDING)
    )
    setting = tuple(
        Need(
            "spec.podDefaults",
            f"{ENFORCED} && {_sets_something()}",
            Right("create", item.group, item.plural),
            why,
            "leave it out",
        )
        for item in (MUTATING_POLICY, MUTATING_BINDING)
    )
    return Policy(HARDENING_POLICY.plural, (HARDENING_POLICY,), needs=(seen, *judging, *setting))


def _status() -> Policy:
    """What was proven, and what stands, is remembered in status: who may write it could invent both."""
    told = text(
        "status: it is written by ",
        Term("variables.operator"),
        " alone, not by ",
        USER,
        "; change spec instead, or remove this policy's binding while a status has to be mended by hand",
    )
    return Policy(
        name="status",
        resources=(
            CERTIFICATE_AUTHORITY,
            COMMUNICATION_CHANNEL,
            HARDENING_POLICY,
            ROTATION_SCHEDULE,
            SECURITY_ZONE,
        ),
        part="status",
        variables={"operator": _OPERATOR},
        validations=(
            {
                "expression": "request.userInfo.username == variables.operator",
                "message": "status: it is written by the operator alone; change spec instead",
                "messageExpression": told,
                "reason": "Forbidden",
            },
        ),
        unchanged=True,
    )


def policies() -> tuple[Policy, ...]:
    """One for each kind, and one for the status of all."""
    return (_authority(), _schedule(), _zone(), _hardening(), _status())
