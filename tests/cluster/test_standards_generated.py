"""Pods that nobody thought of: the expressions, Python and Kubernetes' own PodSecurity agree on them too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from breakwater.hardening.standards import NEWEST
from tests.cluster.dry_runs import Answer, DryRuns
from tests.cluster.standards_scene import Wording, by_podsecurity, by_python, by_server, wordings
from tests.controlplane import Cluster

EXAMPLES = 800

_MAYBE = st.none() | st.booleans()
_PROFILE = st.none() | st.sampled_from([{"type": "RuntimeDefault"}, {"type": "Unconfined"}])
_LOCAL = st.just({"type": "Localhost", "localhostProfile": "a.json"})
_CAPABILITY = st.sampled_from(["ALL", "all", "NET_BIND_SERVICE", "CHOWN", "NET_RAW", "SYS_ADMIN", ""])
_CAPABILITIES = st.fixed_dictionaries(
    {}, optional={"drop": st.lists(_CAPABILITY, max_size=2), "add": st.lists(_CAPABILITY, max_size=2)}
)
_LABEL = st.sampled_from(["", "container_t", "container_engine_t", "spc_t"])
_SELINUX = st.fixed_dictionaries({}, optional={"type": _LABEL, "user": _LABEL, "role": _LABEL, "level": _LABEL})
_SHARED = {
    "runAsNonRoot": _MAYBE,
    "runAsUser": st.sampled_from([None, 0, 1, 10001]),
    "seccompProfile": _PROFILE | _LOCAL,
    "appArmorProfile": _PROFILE | _LOCAL,
    "seLinuxOptions": st.none() | _SELINUX,
    "windowsOptions": st.none() | st.just({"runAsUserName": "user"}) | st.just({"hostProcess": False}),
}
_RIGHT = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
_OWN = st.fixed_dictionaries(
    {},
    optional={
        **_SHARED,
        "privileged": _MAYBE,
        "allowPrivilegeEscalation": _MAYBE,
        "capabilities": st.none() | _CAPABILITIES,
        "procMount": st.sampled_from([None, "Default", "Unmasked"]),
    },
)
_FEW_WRONG = st.dictionaries(st.sampled_from(["privileged", "procMount", "runAsUser"]), st.just(None), max_size=2).map(
    lambda fields: {name: _WRONG[name] for name in fields}
)
_WRONG = {"privileged": True, "procMount": "Unmasked", "runAsUser": 0}
_CONTEXT = st.none() | _OWN | _FEW_WRONG | (_OWN | _FEW_WRONG).map(lambda fields: {**_RIGHT, **fields})
_SYSCTLS = st.lists(
    st.sampled_from(["kernel.shm_rmid_forced", "net.ipv4.tcp_rmem", "net.ipv4.tcp_notsent_lowat", "kernel.msgmax"]),
    max_size=2,
    unique=True,
).map(lambda names: [{"name": name, "value": "1"} for name in names])
_POD_CONTEXT = st.none() | st.fixed_dictionaries({}, optional={**_SHARED, "sysctls": _SYSCTLS})
_ACTION = st.sampled_from([{"httpGet": {"port": 80}}, {"httpGet": {"port": 80, "host": "a.b"}}])
_TCP = st.sampled_from([{"tcpSocket": {"port": 80}}, {"tcpSocket": {"port": 80, "host": "10.0.0.1"}}])
_PORTS = st.sampled_from([[], [{"containerPort": 80}], [{"containerPort": 80}, {"containerPort": 81, "hostPort": 81}]])
_FIELDS = {"securityContext": _CONTEXT, "ports": _PORTS}
_CONTAINER = st.fixed_dictionaries(
    {},
    optional={
        **_FIELDS,
        "livenessProbe": _ACTION | _TCP,
        "readinessProbe": _ACTION | _TCP,
        "lifecycle": st.fixed_dictionaries({}, optional={"postStart": _ACTION, "preStop": _ACTION}),
    },
)
_INIT_CONTAINER = st.fixed_dictionaries({}, optional=_FIELDS)
_VOLUME = st.sampled_from(
    [
        {},
        {"emptyDir": {}},
        {"hostPath": {"path": "/"}},
        {"nfs": {"server": "a", "path": "/"}},
        {"image": {"reference": "a"}},
    ]
)
_ANNOTATION = st.sampled_from(["unconfined", "runtime/default", "docker/default", "localhost/a"])
_KEYS = st.sampled_from(
    [
        "container.apparmor.security.beta.kubernetes.io/app0",
        "container.seccomp.security.alpha.kubernetes.io/app0",
        "container.seccomp.security.alpha.kubernetes.io/init0",
        "container.seccomp.security.alpha.kubernetes.io/nobody",
        "seccomp.security.alpha.kubernetes.io/pod",
        "example.com/other",
    ]
)


def _newest() -> list[Wording]:
    """Of these nobody has looked at every sample for years."""
    return [wording for wording in wordings() if wording.version == NEWEST]


def _named(kind: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**item, "name": f"{kind}{number}", "image": "app"} for number, item in enumerate(items)]


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    """A pod of up to two containers of each kind, most fields absent or null or right or wrong."""
    optional = {
        "hostNetwork": _MAYBE,
        "hostPID": _MAYBE,
        "hostIPC": _MAYBE,
        "hostUsers": _MAYBE,
        "os": st.sampled_from([None, {"name": "linux"}, {"name": "windows"}]),
        "securityContext": _POD_CONTEXT,
    }
    spec = draw(st.fixed_dictionaries({}, optional=optional))
    spec["containers"] = _named("app", draw(st.lists(_CONTAINER, min_size=1, max_size=2)))
    spec["initContainers"] = _named("init", draw(st.lists(_INIT_CONTAINER, max_size=1)))
    if any((item.get("securityContext") or {}).get("procMount") == "Unmasked" for item in spec["containers"]):
        spec |= {"hostUsers": False, "hostNetwork": None, "hostPID": None, "hostIPC": None}  # else refused as invalid
    volumes = draw(st.lists(_VOLUME, max_size=2))
    spec["volumes"] = [{**volume, "name": f"volume{number}"} for number, volume in enumerate(volumes)]
    return {"metadata": {"annotations": draw(st.dictionaries(_KEYS, _ANNOTATION, max_size=2))}, "spec": spec}


class Judge:
    """Asks the API server, one pod after the other on one connection, and counts what it could judge."""

    def __init__(self, cluster: Cluster, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._client = DryRuns(cluster.admin_kubeconfig)
        self.verdicts: list[bool] = []

    def __enter__(self) -> Self:
        self._runner.run(self._client.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.__aexit__())

    def ask(self, wording: Wording, pod: Mapping[str, Any]) -> Answer:
        """The answer to a pod in the namespace of a policy."""
        answer = self._runner.run(self._client.create_one(wording.namespace, pod))
        if answer.code != 422:
            self.verdicts.append(answer.code == 201)
        return answer


@pytest.fixture(scope="module")
def judge(standards: Cluster) -> Iterator[Judge]:
    with asyncio.Runner() as runner, Judge(standards, runner) as judge:
        yield judge


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.filter_too_much], derandomize=True)
@given(wording=st.deferred(lambda: st.sampled_from(wordings()) | st.sampled_from(_newest())), pod=pods())
def _same_verdict(judge: Judge, wording: Wording, pod: dict[str, Any]) -> None:
    answer = judge.ask(wording, pod)
    assume(answer.code != 422)  # what the API server's validation refuses reaches no policy
    expected = by_python(wording.level, wording.version, pod)
    assert by_server(answer) == expected
    assert answer.code == (403 if expected else 201)
    assert by_podsecurity(answer) == bool(expected)


def test_generated_pods_get_the_same_verdict_from_expressions_python_and_podsecurity(judge: Judge) -> None:
    _same_verdict(judge)
    assert len(judge.verdicts) >= EXAMPLES
    assert min(judge.verdicts.count(verdict) for verdict in (True, False)) > 20
