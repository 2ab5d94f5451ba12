"""Asking the person who gave the task."""

from __future__ import annotations

from busagents.domain.tool import tool
from busagents.domain.tool_context import ToolContext
from busagents.errors import ToolArgumentsInvalid


@tool(read_only=True)
async def handoff_to_user(message: str, ctx: ToolContext, breakout_of_loop: bool = False) -> str:
    """Hand over to the person: ask and wait for their answer, or end your turn with a message to them.

    Only when you cannot go on without them. Not for answers, progress or small talk: those you write as text.

    Args:
        message: What you need from them, or what you leave them with, in full.
        breakout_of_loop: True to end the task with the message instead of waiting; their next message goes on.
    """
    if not message.strip():
        raise ToolArgumentsInvalid("handoff_to_user needs a message: say what you need from the person")
    if breakout_of_loop:
        ctx.end_task(message)
        return message
    answer: str = await ctx.ask(message)
    return answer
