"""Every event type. An event's docstring is its contract: when it is written, and what its absence means.

`type` and `tv` (the type's version) are the wire tag, pinned by a test. New fields have defaults; names and meanings never
change. docs/events.md is generated from this package.
"""

from __future__ import annotations

from busagents.domain.events.base import Event, Recorded, RecoveryClass, StateScope
from busagents.domain.events.coordination import (
    EdgesChosen,
    HandoffMade,
    InputsChosen,
    NodeCompleted,
    NodeStarted,
    OutputsReduced,
)
from busagents.domain.events.incoming import (
    Handoff,
    Member,
    QuestionClosed,
    TaskCancel,
    TaskInput,
    TaskOutcome,
    TaskQuestion,
    TaskSubmitted,
    TimerFired,
)
from busagents.domain.events.task import (
    InputAnswered,
    InputRefused,
    InputRequired,
    StateSet,
    TaskCanceled,
    TaskCompleted,
    TaskDelegated,
    TaskFailed,
    TaskStarted,
    TaskUndeliverable,
)
from busagents.domain.events.thread import ThreadArchived, ThreadErased, ThreadForked
from busagents.domain.events.turn import (
    ApprovalDecided,
    ContextCompacted,
    HookDecided,
    ModelCompleted,
    ModelFailed,
    ModelRequested,
    ToolCompleted,
    ToolFailed,
    ToolStarted,
    ToolSuspended,
    ToolUnknown,
)

EVENT_TYPES: tuple[type[Event], ...] = (
    TaskSubmitted, TaskInput, TaskCancel, TaskOutcome, TaskQuestion, QuestionClosed, TimerFired,
    TaskStarted, ModelRequested, ModelCompleted, ModelFailed,
    ToolStarted, ToolSuspended, ToolCompleted, ToolFailed, ToolUnknown, ApprovalDecided, HookDecided,
    TaskDelegated, TaskUndeliverable, InputRequired, InputAnswered, InputRefused,
    HandoffMade, EdgesChosen, NodeStarted, NodeCompleted, InputsChosen, OutputsReduced,
    ContextCompacted, StateSet, TaskCompleted, TaskFailed, TaskCanceled,
    ThreadForked, ThreadArchived, ThreadErased,
)  # fmt: skip

TERMINAL: tuple[type[Event], ...] = (TaskCompleted, TaskFailed, TaskCanceled)

__all__ = [
    "EVENT_TYPES",
    "TERMINAL",
    "ApprovalDecided",
    "ContextCompacted",
    "EdgesChosen",
    "Event",
    "Handoff",
    "HandoffMade",
    "HookDecided",
    "InputAnswered",
    "InputRefused",
    "InputRequired",
    "InputsChosen",
    "Member",
    "ModelCompleted",
    "ModelFailed",
    "ModelRequested",
    "NodeCompleted",
    "NodeStarted",
    "OutputsReduced",
    "QuestionClosed",
    "Recorded",
    "RecoveryClass",
    "StateScope",
    "StateSet",
    "TaskCancel",
    "TaskCanceled",
    "TaskCompleted",
    "TaskDelegated",
    "TaskFailed",
    "TaskInput",
    "TaskOutcome",
    "TaskQuestion",
    "TaskStarted",
    "TaskSubmitted",
    "TaskUndeliverable",
    "ThreadArchived",
    "ThreadErased",
    "ThreadForked",
    "TimerFired",
    "ToolCompleted",
    "ToolFailed",
    "ToolStarted",
    "ToolSuspended",
    "ToolUnknown",
]
