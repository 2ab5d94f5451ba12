"""What the fold's rules share: the task at work, the conversation, and letting go of what a call had waited for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from busagents.domain import events as e
from busagents.domain.messages import Message
from busagents.domain.state import Ask, Child, Closing, LateAnswer, Orphan, Task, ThreadState
from busagents.errors import ChainBroken

Rules = dict[type[e.Event], Callable[[ThreadState, e.Recorded, Any], ThreadState]]

_ENCODER = msgspec.json.Encoder()


def active(state: ThreadState, recorded: e.Recorded) -> Task:
    """The task at work, which the event must be about.

    Raises:
        ChainBroken: it is about another one.
    """
    if state.active is None or state.active.id != recorded.task:
        raise ChainBroken(f"{recorded.event.type} for task {recorded.task!r}, which is not at work: the log was altered")
    return state.active


def add_message(state: ThreadState, message: Message) -> ThreadState:
    """The conversation with one message more, and its running digest."""
    digest = hashlib.sha256(state.digest.encode() + _ENCODER.encode(message)).hexdigest()
    return replace(state, messages=state.messages.append(message), digest=digest)


def replace_last(state: ThreadState, message: Message) -> ThreadState:
    """The conversation with another last message."""
    kept = replace(state, messages=type(state.messages)(state.messages[:-1]))
    return add_message(kept, message)


def belongs_to(call: str, key: str) -> bool:
    """Whether a child or question is the call's own, or was made inside it (`call / …`), or is one of a node's items (`node#1.0`)."""
    return key == call or key.startswith(f"{call} / ") or ("#" in call and key.startswith(f"{call}."))


def let_go(state: ThreadState, call: str, why: str) -> ThreadState:
    """Drop the children and questions of a call that has ended. Children that had not are orphans, to be told so."""
    task = state.active
    assert task is not None
    keys = [
        key for key in task.children if key.startswith(call) and belongs_to(call, key)
    ]  # a cheap look first: they may be many
    if not keys and not task.asks:
        return state
    gone = [task.children[key] for key in keys]
    children = dict(task.children)
    for key in keys:
        del children[key]
    state = replace(state, active=replace(task, children=children))
    return orphaned(without_questions(state, lambda required: belongs_to(call, required.call)), gone, why)


def without_questions(state: ThreadState, gone: Callable[[e.InputRequired], bool]) -> ThreadState:
    """Let go of the questions that nobody needs answered any more. An open one is closed: that it is, the decider records, so that
    whoever was asked is told.
    """
    task = state.active
    assert task is not None
    dropped = [ask for ask in task.asks.values() if gone(ask.required)]
    heard = tuple(required for required in task.heard if not gone(required)) if task.heard else ()
    if not dropped and len(heard) == len(task.heard):
        return state
    state = unheard(state, dropped)
    asks = dict(task.asks)
    for ask in dropped:
        del asks[ask.required.request]
        if ask.open:
            asks[ask.required.request] = replace(ask, given=None, by="", closed=True)
    return replace(state, active=replace(task, asks=asks, heard=heard))


def closed_above(state: ThreadState, required: e.InputRequired) -> ThreadState:
    """Whoever gave the task at work need not wait for an answer to the question any more."""
    assert state.active is not None
    submitted = state.active.submitted
    if submitted.reply_to is None:
        return state
    closing = Closing(submitted.reply_to, submitted.parent, submitted.call, required.request, state.seq + 1)
    return replace(state, closings=state.closings.append(closing))


def unheard(state: ThreadState, asks: Iterable[Ask]) -> ThreadState:
    """Of questions that are dropped: answers that came and were not yet taken are late, so that who gave them is told so."""
    assert state.active is not None
    task = state.active.id
    came = tuple(LateAnswer(task, ask.required.request, ask.by) for ask in asks if ask.by and not ask.answered)
    return replace(state, late=(*state.late, *came)) if came else state


def orphaned(state: ThreadState, children: list[Child], why: str) -> ThreadState:
    """Those of the children that had not ended are to be told to."""
    orphans = state.orphans
    for child in children:
        if child.open:
            orphans = orphans.append(Orphan(child.delegated.target, child.delegated.child, why, state.seq + 1))
    return replace(state, orphans=orphans)
