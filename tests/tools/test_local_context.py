"""LocalToolContext: what a tool's author tests against. Its states keep the contract of `State`."""

from __future__ import annotations

from typing import Any

import pytest

from busagents.domain.tool_context import State, ToolContext
from busagents.errors import InvalidInput
from busagents.runtime.tool_context import RecordedState
from busagents.tools import LocalToolContext
from busagents.tools.local_context import LocalState


@pytest.fixture(params=[LocalState, lambda: RecordedState("agent", {})], ids=["local", "recorded"])
def state(request: pytest.FixtureRequest) -> State:
    made: State = request.param()
    return made


def test_a_value_that_was_set_is_there_until_it_is_deleted(state: State) -> None:
    state.set("b", {"n": [1, 2.5, None, True, "é"]})
    state.set("a", None)
    assert state.get("b") == {"n": [1, 2.5, None, True, "é"]}
    assert state.get("a", "default") is None
    assert state.keys() == ["a", "b"]
    state.delete("a")
    state.delete("a")
    assert state.get("a", "default") == "default"
    assert state.keys() == ["b"]


def test_changing_a_value_one_was_given_changes_no_state(state: State) -> None:
    value = [1]
    state.set("list", value)
    value.append(2)
    state.get("list").append(3)
    assert state.get("list") == [1]


def _endless() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    "value", [object(), {1j: 1}, "\ud800", _endless()], ids=["object", "complex key", "surrogate", "endless"]
)
def test_a_value_that_is_not_json_is_refused_and_the_old_one_stays(state: State, value: Any) -> None:
    state.set("key", 1)
    with pytest.raises(InvalidInput, match="'key'"):
        state.set("key", value)
    assert state.get("key") == 1


def test_it_can_stand_wherever_a_tool_wants_its_context() -> None:
    context: ToolContext = LocalToolContext(participant="shop", attempt=2)
    context.emit("half")
    context.emit({"percent": 100})
    assert isinstance(context, LocalToolContext)
    assert context.emitted == ["half", {"percent": 100}]
    assert (context.participant, context.attempt, context.cancelled) == ("shop", 2, False)


def test_two_contexts_share_nothing() -> None:
    LocalToolContext().state.set("x", 1)
    assert LocalToolContext().state.keys() == []
