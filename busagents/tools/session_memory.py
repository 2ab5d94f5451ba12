"""Facts that all participants of a session share. Each write is a recorded event of the session."""

from __future__ import annotations

from typing import Literal

from busagents.domain.tool import tool
from busagents.domain.tool_context import ToolContext
from busagents.errors import NotFound, ToolArgumentsInvalid

_PREFIX = "memory."


@tool(idempotent=True)
def memory(
    action: Literal["store", "get", "list", "retrieve", "delete"],
    ctx: ToolContext,
    title: str = "",
    content: str = "",
    query: str = "",
) -> str | list[dict[str, str]]:
    """Remember facts for everybody who works in this session, and look up what others remembered.

    Args:
        action: store content under a title, get one by its title, list the titles, retrieve those about a query, or delete one.
        title: A short name to find it by; for store, get and delete.
        content: What to remember; for store.
        query: Words to look for; for retrieve.
    """
    name = " ".join(title.lower().split())
    match action:
        case "store":
            if not name or not content.strip():
                raise ToolArgumentsInvalid("memory store needs a title and content")
            ctx.session.set(_PREFIX + name, {"title": title.strip(), "content": content, "by": ctx.participant})
            return f"stored {title.strip()!r}"
        case "get":
            return [_found(ctx, name)]
        case "delete":
            if ctx.attempt == 1:  # on a later attempt the first may have deleted it
                _found(ctx, name)
            ctx.session.delete(_PREFIX + name)
            return f"deleted {title.strip()!r}"
        case "list" | "retrieve":
            wanted = query.lower().split() if action == "retrieve" else []
            return [item for item in _all(ctx) if all(word in f"{item['title']} {item['content']}".lower() for word in wanted)]


def _all(ctx: ToolContext) -> list[dict[str, str]]:
    return [ctx.session.get(key) for key in ctx.session.keys() if key.startswith(_PREFIX)]  # noqa: SIM118 - a State is no dict


def _found(ctx: ToolContext, name: str) -> dict[str, str]:
    item: dict[str, str] | None = ctx.session.get(_PREFIX + name)
    if item is None:
        raise NotFound(f"nothing is remembered under {name!r}; there are: {', '.join(i['title'] for i in _all(ctx)) or 'none'}")
    return item
