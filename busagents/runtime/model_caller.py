"""Makes one model call. Every failure of it ends as a recorded `model.failed`; retries are decided here, once, and recorded."""

from __future__ import annotations

import asyncio
import random

from busagents.domain import events as e
from busagents.domain.agent import Agent
from busagents.domain.decision import CallModel, WaitRetry
from busagents.domain.handoff import HANDOFF_TOOL, handoff_description, handoff_parameters
from busagents.domain.storable_text import storable
from busagents.errors import ModelError, ModelTransient
from busagents.ports.model import Model, ModelRequest, ReasoningDelta, TextDelta, ToolSpec, TurnCompleted
from busagents.runtime import failpoints
from busagents.runtime.performer import Delta, Feed, Work
from busagents.runtime.user_code import raised_by_it

MAX_ATTEMPTS = 6
_MAX_EMPTY = 2  # an empty answer is seldom better the third time
_MAX_DELAY = 60.0  # seconds; a provider that asks for more fails the task instead


class ModelCaller:
    """Calls an agent's model. `feed` shows its text as it comes."""

    def __init__(self, agent: Agent, model: Model, feed: Feed) -> None:
        self._agent = agent
        self._model = model
        self._feed = feed
        self._specs = tuple(ToolSpec(t.name, t.description, t.parameters) for t in agent.tools.values())

    async def call(self, work: Work, command: CallModel) -> e.Recorded:
        """Make the call of a stored `model.requested`."""
        try:
            event: e.Event = await self._stream(work, command)
        except ModelError as error:
            event = _failed(work, error)
        except asyncio.CancelledError as error:
            if not raised_by_it(error):
                raise
            event = _failed(work, ModelTransient("the model's adapter canceled the call on its own", code="cancelled"))
        return e.Recorded(event, command.task, command.turn, command.attempt)

    async def wait(self, work: Work, command: WaitRetry) -> e.Recorded:
        """Sleep out the recorded delay, then intend the next attempt."""
        await asyncio.sleep(command.seconds)
        state = work.state
        requested = e.ModelRequested(self._model.name, state.seq, state.digest, dict(self._agent.settings))
        return e.Recorded(requested, command.task, command.turn, command.attempt)

    async def _stream(self, work: Work, command: CallModel) -> e.ModelCompleted:
        count = at = 0
        async for chunk in self._model.stream(self._request(work)):
            count += 1
            if failpoints.armed():
                failpoints.hit(f"delta:{count}")
            match chunk:
                case TextDelta(text):
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
