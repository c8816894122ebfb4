import base64
import datetime as dt
from typing import Any

import pytest

from tests.cluster.key_history import KeyHistory, orphans
from tests.controlplane import AuditEvent

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
CHANNEL = "CommunicationChannel/ns/db"


def secret(
    key: str = "", generation: str = "1", use: str = "Server", certificate: str = "", login: str = "", **labels: str
) -> dict[str, Any]:
    held = {"tls.key": key, "tls.crt": certificate or f"of {key}" if key else "", "password": login}
    return {
        "metadata": {
            "namespace": "ns",
            "name": "db-tls",
            "labels": {"app.kubernetes.io/managed-by": "breakwater"} | labels,
            "annotations": {
                "breakwater.dev/subject": CHANNEL,
                "breakwater.dev/use": use,
                "breakwater.dev/generation": generation,
            },
        },
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in held.items() if value},
    }


def stored(body: dict[str, Any], *, code: int = 200, dry_run: bool = False) -> AuditEvent:
    words = dict.fromkeys(("stage", "level", "user", "user_agent", "group", "subresource", "manager", "uri"), "")
    return AuditEvent(
        **words,
        verb="update",
        resource="secrets",
        namespace="ns",
        name="db-tls",
        code=code,
        time=NOW,
        received=NOW,
        dry_run=dry_run,
        response_object=body,
    )


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ([secret("a"), secret("b")], "2 keys in generation '1'"),
        ([secret("a"), secret("b", "2"), secret("a", "3")], "one key in generations ['1', '3']"),
        ([secret("a", use="Root"), secret("b", "2", use="Root")], "2 roots"),
        ([secret("a"), secret("a", certificate="another")], "2 certificates for one key"),
        ([secret(login="a"), secret(login="b")], "more than one password"),
        ([secret("a"), secret()], "a key was lost"),
        ([secret(login="a"), secret()], "a password was lost"),
    ],
)
def test_every_fault_in_a_history_is_named_and_no_secret_with_it(versions: list[dict[str, Any]], said: str) -> None:
    faults = KeyHistory(map(stored, versions)).faults()
    assert any(fault == f"ns/db-tls: {said}" for fault in faults), faults


def test_a_history_of_renewals_has_no_fault() -> None:
    versions = [secret("a"), secret("a"), secret("b", "2"), secret("c", "3")]
    history = KeyHistory(map(stored, versions))
    assert history.faults() == []
    assert history.generations(("ns", "db-tls")) == ["1", "2", "3"]


def test_what_was_not_stored_is_no_version() -> None:
    refused, tried = stored(secret("b"), code=409), stored(secret("c"), dry_run=True)
    assert KeyHistory([stored(secret("a")), refused, tried]).faults() == []


@pytest.mark.parametrize(
    ("found", "living", "orphaned"),
    [
        (secret("a"), True, False),
        (secret("a"), False, True),
        (secret("a", **{"breakwater.dev/released": "true"}), False, False),
        (secret("a", **{"app.kubernetes.io/managed-by": "somebody"}), False, False),
    ],
)
def test_an_orphan_is_ours_and_neither_declared_nor_released(
    found: dict[str, Any], living: bool, orphaned: bool
) -> None:
    channel = {"kind": "CommunicationChannel", "metadata": {"namespace": "ns", "name": "db"}}
    assert orphans([found], [channel] if living else []) == (["ns/db-tls"] if orphaned else [])
