"""The one place where a wanted action is kept back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from breakwater.cluster.inventory import Inventory
from breakwater.kernel.plan import DeleteObject, Gone, Plan, Version, WriteSecret
from breakwater.kernel.pruning import Permit
from breakwater.kernel.reading import Present, Projection, Unknown
from breakwater.kernel.references import COMMUNICATION_CHANNEL, NAMESPACE, SECRET, SERVICE, Ref, Subject
from breakwater.kernel.restrain import SETTLED, held_back, restrain
from breakwater.kernel.settings import Mode, Settings
from breakwater.kernel.world import World

CHANNEL = Subject("CommunicationChannel", "bpm", "web")
DECLARATION = Ref(COMMUNICATION_CHANNEL, "bpm", "web")
WRITE = WriteSecret(
    id="write",
    target=Ref(SECRET, "bpm", "web-tls"),
    reason="Missing",
    message="no certificate stands there yet",
    parts=(),
    secret_type="Opaque",  # noqa: S106 - a type, not a password
    labels={},
    annotations={},
)
DELETE = DeleteObject(
    id="delete",
    target=Ref(SECRET, "bpm", "old"),
    reason="NotDeclared",
    message="not declared any more",
    replaces=Version("uid", "1"),
    takes_away=True,
)
PRUNE = DeleteObject(
    id="prune",
    target=Ref(SECRET, "bpm", "web-tls"),
    reason="DeclarationGone",
    message="its declaration is gone",
    replaces=Version("uid", "1"),
    takes_away=True,
    gone=(Gone(DECLARATION, "definition-1"),),
)
ANY: Projection[int] = Projection("any", lambda _: 0)


def world_of(
    mode: Mode = Mode.ENFORCE,
    namespace: dict[str, Any] | None = None,
    permit: Permit | None = None,
    *,
    settled: bool = True,
) -> World:
    inventory = Inventory(Settings(mode=mode), whole=(NAMESPACE, SERVICE), split=(), indexes=())
    found = {"name": "bpm", "uid": "n", "resourceVersion": "1"} | (namespace or {})
    inventory.listed(NAMESPACE, "", [{"metadata": found}], 1)
    if permit is not None:
        inventory.state(("prune", CHANNEL), Present(permit))
    if settled:
        inventory.state(SETTLED, Present(value=True))
    return World(inventory, CHANNEL)


def met_unknown(world: World) -> World:
    assert isinstance(world.get(Ref(SERVICE, "bpm", "web"), ANY), Unknown)
    return world


GRANTED = Permit(granted=True, reason="DeclarationGone", definition="definition-1")
STALE = Permit(granted=True, reason="DeclarationGone", definition="definition-0")
REFUSED = Permit(granted=False, reason="MassDeletion", message="30 declarations vanished")
TERMINATING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
OBSERVED = {"labels": {"breakwater.dev/mode": "observe"}}

CASES: list[tuple[str, Plan, Callable[[], World], str]] = [
    ("what is only added is done", Plan(actions=(WRITE,)), world_of, ""),
    ("Observe on the resource writes nothing", Plan(actions=(WRITE,), mode=Mode.OBSERVE), world_of, "Observed"),
    ("Observe on the operator is a ceiling", Plan(actions=(WRITE,)), lambda: world_of(Mode.OBSERVE), "Observed"),
    ("Observe on the namespace is a ceiling", Plan(actions=(WRITE,)), lambda: world_of(namespace=OBSERVED), "Observed"),
    ("a suspended resource writes nothing", Plan(actions=(WRITE,), suspended=True), world_of, "Suspended"),
    (
        "nothing is written into a dying namespace",
        Plan(actions=(WRITE,)),
        lambda: world_of(namespace=TERMINATING),
        "NamespaceTerminating",
    ),
    ("with full knowledge something is taken away", Plan(actions=(DELETE,)), world_of, ""),
    (
        "who met Unknown may not take away",
        Plan(actions=(DELETE,)),
        lambda: met_unknown(world_of()),
        "IncompleteKnowledge",
    ),
    (
        "before every subject was planned nothing is taken away",
        Plan(actions=(DELETE,)),
        lambda: world_of(settled=False),
        "NotSettled",
    ),
    ("who met Unknown may add", Plan(actions=(WRITE,)), lambda: met_unknown(world_of()), ""),
    ("before the gate is open nothing is pruned", Plan(actions=(PRUNE,)), world_of, "NotSettled"),
    ("a mass deletion is stopped", Plan(actions=(PRUNE,)), lambda: world_of(permit=REFUSED), "MassDeletion"),
    ("a permit under another definition is void", Plan(actions=(PRUNE,)), lambda: world_of(permit=STALE), "NotSettled"),
    ("a permit lets the pruning pass", Plan(actions=(PRUNE,)), lambda: world_of(permit=GRANTED), ""),
]


@pytest.mark.parametrize(("plan", "world", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_an_action_is_kept_back_for_the_first_objection(plan: Plan, world: Callable[[], World], reason: str) -> None:
    restrained = restrain(plan, world(), CHANNEL)
    assert [item.reason for item in restrained.withheld] == ([reason] if reason else [])
    assert restrained.actions == (() if reason else plan.actions)


def test_one_objection_does_not_stop_the_other_actions() -> None:
    restrained = restrain(Plan(actions=(WRITE, DELETE)), met_unknown(world_of()), CHANNEL)
    assert restrained.actions == (WRITE,)
    assert [item.action for item in restrained.withheld] == [DELETE]


def test_the_namespace_becomes_a_recorded_read_so_that_its_label_wakes_the_subject() -> None:
    world = world_of()
    restrain(Plan(actions=(WRITE,)), world, CHANNEL)
    assert Ref(NAMESPACE, "", "bpm") in {getattr(read, "ref", None) for read in world.reads}


def test_in_observe_ready_names_what_enforce_would_do() -> None:
    condition = held_back(Plan(actions=(WRITE,), mode=Mode.OBSERVE), world_of(), "bpm")
    assert condition is not None
    assert condition.reason == "Observed"
    assert "Secret bpm/web-tls: no certificate stands there yet" in condition.message


def test_ready_says_nothing_of_observe_when_there_is_nothing_to_do() -> None:
    assert held_back(Plan(mode=Mode.OBSERVE), world_of(), "bpm") is None
