"""web_search without a web: the same interface over the articles that ship in `corpus/`.

It lets agents be tried, tested and demonstrated without a key and without a network. Replace it by a tool of the same
name that asks a search service of your choice.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from busagents.domain.tool import tool
from busagents.errors import ToolArgumentsInvalid
from busagents.tools.article_index import ArticleIndex, Hit

MAX_QUERY = 500  # characters
MAX_RESULTS = 20


@tool(read_only=True)
def web_search(query: str, limit: int = 5) -> list[Hit] | str:
    """Search and research a topic; returns title, source and the best passage of each article found, best first.

    It looks in a small offline library (travel, Portland, startups, energy, AI history, Python, NATS and messaging,
    support practice), not in the live web: it has no news, prices or opening hours.

    Args:
        query: A few words on the topic, for example "solar cost decline".
        limit: How many articles to return at most, 1 to 20.
    """
    if len(query) > MAX_QUERY:
        raise ToolArgumentsInvalid(f"the query has {len(query)} characters, the limit is {MAX_QUERY}: search for a few words")
    if not 1 <= limit <= MAX_RESULTS:
        raise ToolArgumentsInvalid(f"limit={limit} is not within 1 to {MAX_RESULTS}")
    found = library().search(query, limit)
    return found or f"no article mentions {query[:100]!r}; try other or fewer words. Topics: {'; '.join(library().titles)}"


@cache
def library() -> ArticleIndex:
    """The articles that ship, read once for each process."""
    return ArticleIndex(files("busagents.tools") / "corpus")
