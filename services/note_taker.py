"""Keeps notes for a session. They are in the session's state, so every participant of it sees them."""

from __future__ import annotations

from busagents import Agent, ToolContext, tool
from busagents.errors import NotFound

PREFIX = "note."


@tool(idempotent=True)
def note_save(title: str, text: str, ctx: ToolContext) -> str:
    """Save (remember) a note; one of the same title is replaced.

    Args:
        title: A short title to find it by.
        text: What to remember.
    """
    ctx.session.set(PREFIX + title.strip().lower(), {"title": title.strip(), "text": text})
    return f"saved the note {title.strip()!r}"


@tool(read_only=True)
def note_list(ctx: ToolContext, contains: str = "") -> list[dict[str, str]]:
    """List the notes of this session.

    Args:
        contains: Only notes with this word in title or text; empty for all.
    """
    notes = [ctx.session.get(key) for key in ctx.session.keys() if key.startswith(PREFIX)]  # noqa: SIM118 - a State is no dict
    return [note for note in notes if contains.lower() in f"{note['title']} {note['text']}".lower()]


@tool(idempotent=True)
def note_delete(title: str, ctx: ToolContext) -> str:
    """Delete (forget) a note.

    Args:
        title: The title it was saved under.
    """
    key = PREFIX + title.strip().lower()
    if ctx.attempt == 1 and ctx.session.get(key) is None:  # on a later attempt the first may have deleted it
        raise NotFound(f"there is no note {title!r}: note_list shows the titles")
    ctx.session.delete(key)
    return f"deleted the note {title.strip()!r}"


note_taker = Agent(
    "note_taker",
    description="Remembers, lists and forgets notes during a session.",
    system="You keep notes. Save what you are asked to remember, in the person's words. Look notes up before you answer from them.",
    tools=[note_save, note_list, note_delete],
)
