"""An operator that makes a mistake in admission policies: `python -m tests.cluster.broken_hardening PART run ...`.

The builder of policies is an argument of their planner; here it is given one that spoils an expression.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from breakwater.cli import catalogue as good
from breakwater.cli import main as command_line
from breakwater.cli import run
from breakwater.engine.catalogue import Catalogue
from breakwater.hardening.admission import Pair, build
from breakwater.hardening.kind import HardeningPolicySpec
from breakwater.hardening.plan import Planner

Spoil = Callable[[Pair], Pair]
MISSING = "object.spec.securityContext.supplementalGroups[0]"


def _mutating(pair: Pair) -> Pair:
    """A field that a pod may leave out is read as if it were there."""
    expression = f"Object{{spec: Object.spec{{priority: {MISSING}}}}}"
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}
    return replace(pair, mutating={**_given(pair.mutating), "mutations": [mutation]})


def _validating(pair: Pair) -> Pair:
    broken = {"expression": f"{MISSING} > 0", "message": "broken", "reason": "Forbidden"}
    return replace(pair, validating={**pair.validating, "validations": [*pair.validating["validations"], broken]})


def _mistyped(pair: Pair) -> Pair:
    """A field that no pod has, where no sample comes by: only the check of types sees it."""
    expression = "!object.spec.?hostPID.orValue(false) || object.spec.hostNetworks"
    unseen = {"expression": expression, "message": "mistyped", "reason": "Forbidden"}
    return replace(pair, validating={**pair.validating, "validations": [*pair.validating["validations"], unseen]})


def _forgetful(pair: Pair) -> Pair:
    """No error, only a default that is not set, and one that PodSecurity does not ask for."""
    (mutation,) = _given(pair.mutating)["mutations"]
    steps = [step for step in mutation["jsonPatch"]["expression"].split("\n") if "fsGroup" not in step]
    forgetful = {**mutation, "jsonPatch": {"expression": "\n".join(steps)}}
    return replace(pair, mutating={**_given(pair.mutating), "mutations": [forgetful]})


def _given(spec: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if spec is None:
        raise ValueError("the policy under test declares no defaults")
    return spec


SPOILS: Mapping[str, Spoil] = {
    "mutating": _mutating,
    "validating": _validating,
    "forgetful": _forgetful,
    "mistyped": _mistyped,
}


def _catalogue(spoil: Spoil) -> Catalogue:
    def broken(policy: str, uid: str, spec: HardeningPolicySpec, own_namespace: str, mutates: bool) -> Pair:
        pair = build(policy, uid, spec, own_namespace, mutates)
        return spoil(replace(pair, name=f"{pair.name}-broken"))

    made = good.catalogue()
    kind = replace(made.kinds["HardeningPolicy"], plan=Planner(broken).plan)
    return replace(made, kinds={**made.kinds, "HardeningPolicy": kind})


if __name__ == "__main__":
    part = sys.argv.pop(1)
    run.catalogue = lambda: _catalogue(SPOILS[part])
    command_line.main()
