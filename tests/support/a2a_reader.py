"""A client that applies what a stream says, by A2A's rules, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from busagents.gateway.types import Artifact, ArtifactUpdate, Part, StatusUpdate, StreamItem, Task


def applied(items: Iterable[StreamItem]) -> Task:
    """The task that a stream leaves its reader with: its status, and its artifacts without those that say nothing."""
    first, *updates = items
    task = first.update
    assert isinstance(task, Task), "a stream begins with the task"
    artifacts = {item.artifact_id: item for item in task.artifacts or ()}
    status = task.status
    for item in updates:
        update = item.update
        assert isinstance(update, ArtifactUpdate | StatusUpdate)
        assert (update.task_id, update.context_id) == (task.id, task.context_id)
        if isinstance(update, StatusUpdate):
            status = update.status
        else:
            name = update.artifact.artifact_id
            artifacts[name] = appended(artifacts[name], update.artifact) if update.append else update.artifact
    kept = tuple(item for item in map(joined, artifacts.values()) if item.parts != (Part(text=""),))
    return replace(task, status=status, artifacts=kept)


def appended(artifact: Artifact, more: Artifact) -> Artifact:
    """An artifact and what continues it."""
    return replace(artifact, parts=(*artifact.parts, *more.parts))


def joined(artifact: Artifact) -> Artifact:
    """The same with its texts as one: pieces of a text are no parts of their own."""
    parts: list[Part] = []
    for part in artifact.parts:
        if parts and part.text is not None and parts[-1].text is not None:
            parts[-1] = replace(parts[-1], text=parts[-1].text + part.text)
        else:
            parts.append(part)
    return replace(artifact, parts=tuple(parts))
