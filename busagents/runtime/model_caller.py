"""Makes one model call. Every failure of it ends as a recorded `model.failed`; retries are decided here, once, and recorded."""

from __future__ import annotations

import asyncio
import random

import msgspec
from msgspec.structs import replace

from busagents.domain import events as e
from busagents.domain.agent import Agent
from busagents.domain.decision import CallModel, WaitRetry
from busagents.domain.handoff import HANDOFF_TOOL, handoff_description, handoff_parameters
from busagents.domain.messages import Usage, assistant
from busagents.domain.storable_text import storable
from busagents.errors import ModelError, ModelTransient
from busagents.ports.model import Model, ModelRequest, ReasoningDelta, TextDelta, ToolSpec, TurnCompleted
from busagents.runtime import failpoints
from busagents.runtime.hook_runner import HookRunner, context_of
from busagents.runtime.performer import Delta, Feed, Work
from busagents.runtime.user_code import raised_by_it

MAX_ATTEMPTS = 6
VETOED = "vetoed"  # the code of a call that a hook vetoed: not tried again
_MAX_EMPTY = 2  # an empty answer is seldom better the third time
_MAX_DELAY = 60.0  # seconds; a provider that asks for more fails the task instead


class ModelCaller:
    """Calls an agent's model. `feed` shows its text as it comes, unless `hooks` may still change it."""

    def __init__(self, agent: Agent, model: Model, feed: Feed, hooks: HookRunner) -> None:
        self._agent = agent
        self._model = model
        self._feed = feed
        self._hooks = hooks
        self._specs = tuple(ToolSpec(t.name, t.description, t.parameters) for t in agent.tools.values())

    async def call(self, work: Work, command: CallModel) -> list[e.Recorded]:
        """Make the call of a stored `model.requested`. What hooks decide about it is recorded with its end."""
        decided: list[e.HookDecided] = []
        try:
            event: e.Event = await self._turn(work, command, decided)
        except ModelError as error:
            event = _failed(work, error)
        except asyncio.CancelledError as error:
            if not raised_by_it(error):
                raise
            event = _failed(work, ModelTransient("the model's adapter canceled the call on its own", code="cancelled"))
        return [e.Recorded(item, command.task, command.turn, command.attempt) for item in (*decided, event)]

    async def wait(self, work: Work, command: WaitRetry) -> e.Recorded:
        """Sleep out the recorded delay, then intend the next attempt."""
        await asyncio.sleep(command.seconds)
        state = work.state
        requested = e.ModelRequested(self._model.name, state.seq, state.digest, dict(self._agent.settings))
        return e.Recorded(requested, command.task, command.turn, command.attempt)

    async def _turn(self, work: Work, command: CallModel, decided: list[e.HookDecided]) -> e.ModelCompleted | e.ModelFailed:
        """The call, with the hooks before and after it. Their decisions are added to `decided`."""
        context = context_of(work, command.turn, command.attempt)
        asked = await self._hooks.request(context, self._request(work))
        decided += asked.decided
        if asked.veto is not None:
            return e.ModelFailed(VETOED, asked.veto, elapsed_ms=work.elapsed())
        if asked.end is not None:
            return e.ModelCompleted(assistant(asked.end), Usage(), "stop", elapsed_ms=work.elapsed())
        completed = await self._stream(work, command, asked.value)
        said = await self._hooks.message(context, completed.message)
        decided += said.decided
        if said.veto is not None:
            decided[-1] = replace(decided[-1], data={"usage": msgspec.to_builtins(completed.usage)})
            return e.ModelFailed(VETOED, said.veto, elapsed_ms=work.elapsed())
        if not said.decided:
            return completed
        message = said.value if said.end is None else assistant(said.end)
        stop_reason = completed.stop_reason
        if message.tool_calls:
            stop_reason = "tool_calls"
        elif stop_reason == "tool_calls" or said.end is not None:
            stop_reason = "stop"
        return replace(completed, message=message, stop_reason=stop_reason, elapsed_ms=work.elapsed())

    async def _stream(self, work: Work, command: CallModel, request: ModelRequest) -> e.ModelCompleted:
        count = at = 0
        shown = not self._hooks.has("after_model")
        async for chunk in self._model.stream(request):
            count += 1
            if failpoints.armed():
                failpoints.hit(f"delta:{count}")
            match chunk:
                case TextDelta(text):
                    if shown:
                        self._feed.add(work.ref, Delta(command.task, command.turn, command.attempt, text, at))
                    at += len(text)
                case ReasoningDelta():
                    continue
                case TurnCompleted(message, usage, stop_reason, response_id):
                    self._feed.turn_ended(work.ref, command.task, command.turn)
                    return e.ModelCompleted(message, usage, stop_reason, response_id, work.elapsed())
        raise ModelTransient("the model's stream ended without its terminal mark", code="truncated")

    def _request(self, work: Work) -> ModelRequest:
        task = work.state.active
        schema = task.submitted.output_schema if task is not None else None
        messages = work.state.messages
        specs = self._specs
        if task is not None and task.submitted.handoffs and HANDOFF_TOOL not in self._agent.tools:
            members = task.submitted.handoffs
            specs = (*specs, ToolSpec(HANDOFF_TOOL, handoff_description(members), handoff_parameters(members)))
        return ModelRequest(self._model.name, self._agent.system, messages, specs, self._agent.settings, schema)


def _failed(work: Work, error: ModelError) -> e.ModelFailed:
    return e.ModelFailed(error.code, storable(str(error)), _retry_in(work, error), work.elapsed())


def _retry_in(work: Work, error: ModelError) -> float | None:
    """Seconds until the next attempt, or None when there is none."""
    if not isinstance(error, ModelTransient) or (error.retry_after or 0) > _MAX_DELAY:
        return None
    task = work.state.active
    failures = (task.model.failures if task is not None and task.model is not None else 0) + 1
    if failures >= (_MAX_EMPTY if error.code == "empty_answer" else MAX_ATTEMPTS):
        return None
    if error.retry_after is not None:
        return error.retry_after
    backoff: float = min(_MAX_DELAY, 0.5 * 2 ** (failures - 1))
    return backoff * random.uniform(0.75, 1.25)
