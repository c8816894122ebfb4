"""Many declarations that vanish at once: nothing goes with them before a person has confirmed exactly that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.harness import NAMESPACE, OperatorProcess, all_ready, authority, channel, install
from tests.cluster.ledger import events_of, keys, namespace, released, secrets, writes
from tests.controlplane import ControlPlane, wait_until

MANY = 30
CONFIRM = "breakwater.dev/confirm-deletion"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    with ControlPlane() as own:
        install(own)
        with OperatorProcess(own):
            own.apply(authority())
            wait_until(all_ready(own, "bwca"), 30, "the authority")
        yield own


def flows(place: str, count: int, start: int = 0) -> list[dict[str, Any]]:
    """The first ten are to be deleted, the rest to be released."""
    policies = ["Delete" if number < 10 else "Retain" for number in range(start, start + count)]
    return [channel(place, f"flow-{start + at}", deletionPolicy=policy) for at, policy in enumerate(policies)]


def declare(cluster: ControlPlane, place: str, count: int = MANY) -> None:
    namespace(cluster, place)
    cluster.apply(flows(place, count))
    wait_until(all_ready(cluster, "chan", "-n", place), 60, f"the channels of {place}")


def drop(cluster: ControlPlane, place: str, *names: str) -> None:
    cluster.kubectl("delete", "chan", "-n", place, *(names or ("--all",)))


def stopped(operator: OperatorProcess, count: int) -> bool:
    return (operator.metric("breakwater_mass_deletion"), operator.metric("breakwater_vanished_declarations")) == (
        1,
        count,
    )


def asked_token(cluster: ControlPlane, operator: OperatorProcess, count: int) -> str:
    """The token that the operator's event asks for, once it asks about so many."""
    wait_until(lambda: stopped(operator, count), 60, f"the operator stopping over {count}")
    return str(wait_until(lambda: _token(cluster, operator, count), 20, f"an event about {count}"))


def _token(cluster: ControlPlane, operator: OperatorProcess, count: int) -> str | None:
    """Of the last warning in the log, when there is an event with the same token on the operator's namespace."""
    said = [line for line in operator.lines("mass deletion") if line["declarations"] == count]
    token = str(said[-1]["token"]) if said else None
    for event in events_of(cluster, "MassDeletion"):
        if event["regarding"]["kind"] == "Namespace" and event["regarding"]["name"] == NAMESPACE:
            command = re.search(rf"kubectl annotate --overwrite namespace {NAMESPACE} {CONFIRM}=(\w+)", event["note"])
            if command and command[1] == token and event["note"].startswith(f"{count} declarations"):
                return token
    return None


def confirm(cluster: ControlPlane, token: str) -> None:
    cluster.kubectl("annotate", "--overwrite", "namespace", NAMESPACE, f"{CONFIRM}={token}")


def assert_untouched(cluster: ControlPlane, place: str, before: dict[Any, Any], mark: int) -> None:
    assert keys(cluster) == before
    assert released(cluster, place) == set()
    assert [line for line in writes(cluster, mark) if " secrets " in line] == []


def finished(cluster: ControlPlane, place: str) -> bool:
    """Those that were to be deleted are gone, the others released."""
    found = set(secrets(cluster, place))
    return len(found) == MANY - 10 and released(cluster, place) == found


@pytest.mark.parametrize("running", [True, False], ids=["up", "down"])
def test_thirty_at_once_wait_for_a_confirmation_and_then_go(cluster: ControlPlane, running: bool) -> None:
    place = "many-up" if running else "many-down"
    with OperatorProcess(cluster) as operator:
        declare(cluster, place)
        before, mark = keys(cluster), cluster.audit().mark()
        if not running:
            operator.stop()
        drop(cluster, place)
        if not running:
            operator.start()
            operator.wait_ready()
        token = asked_token(cluster, operator, MANY)
        confirm(cluster, "0123456789ab")
        assert token == asked_token(cluster, operator, MANY)
        assert_untouched(cluster, place, before, mark)
        confirm(cluster, token)
        wait_until(lambda: finished(cluster, place), 60, "what was confirmed being done")
        wait_until(lambda: operator.metric("breakwater_mass_deletion") == 0, 20, "the alarm ending")
        assert {name: found for name, found in keys(cluster).items() if name in before}.items() <= before.items()


def test_a_confirmation_that_stays_behind_never_confirms_the_same_names_again(cluster: ControlPlane) -> None:
    place = "twice"
    with OperatorProcess(cluster) as operator:
        declare(cluster, place)
        drop(cluster, place)
        first = asked_token(cluster, operator, MANY)
        confirm(cluster, first)
        wait_until(lambda: finished(cluster, place), 60, "what was confirmed being done")
        declare(cluster, place)
        wait_until(lambda: not released(cluster, place), 30, "the released ones being taken up")
        before, mark = keys(cluster), cluster.audit().mark()
        drop(cluster, place)
        second = asked_token(cluster, operator, MANY)
        assert second != first
        assert_untouched(cluster, place, before, mark)
        confirm(cluster, second)
        wait_until(lambda: finished(cluster, place), 60, "the rest going")


def test_those_declared_again_while_it_waits_keep_what_they_have(cluster: ControlPlane) -> None:
    place = "regretted"
    with OperatorProcess(cluster) as operator:
        declare(cluster, place)
        before, mark = keys(cluster), cluster.audit().mark()
        drop(cluster, place)
        stale = asked_token(cluster, operator, MANY)
        cluster.apply(flows(place, 5))
        fresh = asked_token(cluster, operator, MANY - 5)
        assert fresh != stale
        confirm(cluster, stale)
        wait_until(all_ready(cluster, "chan", "-n", place), 30, "those declared again")
        assert_untouched(cluster, place, before, mark)
        confirm(cluster, fresh)
        kept = {f"flow-{number}-tls" for number in range(5)}
        rest = {f"flow-{number}-tls" for number in range(10, MANY)}
        wait_until(lambda: set(secrets(cluster, place)) == kept | rest, 60, "the others going")
        wait_until(lambda: released(cluster, place) == rest, 60, "the others being released")
        assert {name: found for name, found in keys(cluster).items() if name in before}.items() <= before.items()


def test_a_restart_in_the_middle_neither_forgets_the_question_nor_answers_it(cluster: ControlPlane) -> None:
    place = "restarted"
    with OperatorProcess(cluster) as operator:
        declare(cluster, place)
        before, mark = keys(cluster), cluster.audit().mark()
        drop(cluster, place)
        token = asked_token(cluster, operator, MANY)
        operator.kill()
        operator.start()
        operator.wait_ready()
        assert token == asked_token(cluster, operator, MANY)
        operator.kill()
        confirm(cluster, token)
        assert_untouched(cluster, place, before, mark)
        operator.start()
        wait_until(lambda: finished(cluster, place), 60, "what was confirmed while nobody ran being done")


def test_five_at_once_go_without_a_word(cluster: ControlPlane) -> None:
    place = "few"
    with OperatorProcess(cluster) as operator:
        declare(cluster, place, count=5)
        asked = len(list(events_of(cluster, "MassDeletion")))
        drop(cluster, place)
        wait_until(lambda: not secrets(cluster, place), 20, "their Secrets going with them")
        assert operator.metric("breakwater_mass_deletion") == 0
        assert len(list(events_of(cluster, "MassDeletion"))) == asked


def test_a_few_go_while_many_others_wait(cluster: ControlPlane) -> None:
    """What waits does not hold up a deletion that was confirmed; what comes later is asked about with it."""
    place = "many-and-few"
    with OperatorProcess(cluster) as operator:
        declare(cluster, place)
        drop(cluster, place, *(f"flow-{number}" for number in range(10, 25)))
        confirm(cluster, asked_token(cluster, operator, 15))
        wait_until(lambda: len(released(cluster, place)) == 15, 60, "the confirmed ones being released")
        drop(cluster, place, "flow-0", "flow-1")
        wait_until(lambda: not {"flow-0-tls", "flow-1-tls"} & set(secrets(cluster, place)), 20, "two more going")
