"""What a channel says of its consumers: what their demands say, and until they are known what it said before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.scenery import CHANNEL_REF, plan, settled
from tests.unit.worlds import condition

WAITING = {"kind": "Deployment", "name": "app", "declared": True, "state": "Waiting", "message": "the window is shut"}
REMEMBERED: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "a state that a leader before us found": (WAITING, ("False", "RestartWaiting")),
    "one that needs nothing": (WAITING | {"state": "Current"}, ("True", "Current")),
    "nothing yet": ({"kind": "Deployment", "name": "app", "declared": True}, ("", "")),
    "what somebody else wrote there": (WAITING | {"state": "Elsewhere"}, ("", "")),
    "something that is no state at all": (WAITING | {"state": ["Waiting"]}, ("", "")),
}


@pytest.mark.parametrize("sentence", REMEMBERED)
def test_until_a_demand_is_known_the_condition_follows_what_status_said_before(sentence: str) -> None:
    entry, expected = REMEMBERED[sentence]
    made = settled({"consumers": [{"name": "app"}]})
    made.edit(CHANNEL_REF, lambda manifest: manifest.setdefault("status", {}).update(consumers=[entry]), by="operator")
    done = plan(made)
    assert condition(done, "ConsumersCurrent") == expected
    assert done.status is not None
    (told,) = done.status["consumers"]
    assert told["name"] == "app"
