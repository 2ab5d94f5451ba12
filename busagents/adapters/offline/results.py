"""Tool results in readable text: what a tool found, cut to what the prompt is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from busagents.adapters.offline.notice import without_notice
from busagents.adapters.offline.words import content_words, hits, most_relevant, sentences, shorten, words
from busagents.domain.messages import ToolCallPart, ToolResultPart

SHORT = 400  # characters that are quoted whole
FILE_CHARACTERS = 1_500  # of a file that is shown as it is
MAX_PASSAGES = 3  # of a search, and only those that fit at least half as well as the best
QUOTED = 4_000  # characters of another participant's answer
MAX_LINES = 20  # of a plain list

_TITLE = ("title", "name", "subject", "ticket", "id", "path")
_TEXT = ("snippet", "passage", "text", "content", "summary", "description", "details", "body", "answer")
_SOURCE = ("source", "url", "uri", "link")


class Finding(msgspec.Struct, frozen=True):
    """One answered tool call. `arguments` are those it was made with."""

    name: str
    arguments: dict[str, Any]
    content: str
    is_error: bool


def finding(call: ToolCallPart, result: ToolResultPart) -> Finding:
    """The call and its result together."""
    try:
        arguments = msgspec.json.decode(call.arguments)
    except msgspec.DecodeError:
        arguments = {}
    return Finding(call.name, arguments if isinstance(arguments, dict) else {}, result.content, result.is_error)


def told(found: Finding, topic: str) -> str:
    """The finding as a paragraph or list that can stand in an answer; empty for what only keeps or asks something."""
    if found.is_error:
        return f"`{found.name}` failed: {shorten(found.content, SHORT)}"
    if found.name == "handoff_to_user" or found.arguments.get("action") == "store":
        return ""
    if found.arguments.get("action") == "list":
        return _remembered(found.content)
    if list(found.arguments) == ["input"]:
        return f"**{found.name}**:\n\n{without_notice(found.content)[:QUOTED]}"
    expression = found.arguments.get("expression")
    if isinstance(expression, str) and len(found.content) < 100:
        return f"{expression} = {found.content.strip()}"
    if "code" in found.arguments:
        return f"The code printed:\n\n```\n{found.content.strip()[:2_000]}\n```"
    is_file = "path" in found.arguments and len(found.content) <= FILE_CHARACTERS
    body = found.content.strip() if is_file else readable(found.content, topic)
    query = next((value for key, value in found.arguments.items() if key in ("query", "question", "topic", "q")), None)
    if isinstance(query, str):
        return f"On “{shorten(query, 120)}” `{found.name}` found:\n\n{body}"
    return f"`{found.name}`:\n\n{body}" if "\n" in body or body.startswith("- ") else f"`{found.name}`: {body}"


def readable(content: str, topic: str) -> str:
    """A result's text: JSON as a list of its items, long prose as the passages or sentences that fit the topic."""
    value = _parsed(content)
    if isinstance(value, Mapping):
        inner = next((item for item in value.values() if isinstance(item, list) and item and isinstance(item[0], Mapping)), None)
        if inner is None:
            return "\n".join(f"- {key}: {_inline(item)}" for key, item in value.items()) or "nothing"
        value = inner
    if isinstance(value, list):
        return _listed(value, topic)
    text = content.strip()
    if len(text) <= SHORT:
        return text or "nothing"
    passages = [piece for piece in re.split(r"\n\s*\n", text) if len(piece) > 1]
    if len(passages) > 1:
        return "\n".join(f"- {_excerpt(passages[index], topic)}" for index in _fitting(passages, topic))
    wanted = content_words(topic)
    fitting = [sentence for sentence in most_relevant(text, topic, 3) if hits(wanted, words(sentence))]
    return "\n".join(f"- {shorten(sentence, SHORT)}" for sentence in fitting) or shorten(text, SHORT)


def passages(content: str, topic: str) -> list[str]:
    """Of a search's result the passages that fit more than half as well as the best, each with its source; of others none."""
    items = [item for item in _parsed(content) or [] if isinstance(item, Mapping) and _first(item, _TEXT)]
    wanted = content_words(topic)
    scores = [hits(wanted, words(f"{_first(item, _TITLE)} {_first(item, _TEXT)}")) for item in items]
    best = [item for item, score in zip(items, scores, strict=True) if score > max(scores) / 2][:MAX_PASSAGES]
    return [" ".join(f"{_first(item, _TEXT)} {_sourced(item)}".split()) for item in best]


def _sourced(item: Mapping[str, Any]) -> str:
    source = _first(item, _SOURCE)
    return f"({source})" if source else ""


def _remembered(content: str) -> str:
    """Facts of the shared memory, each with who found it."""
    facts = [item for item in _parsed(content) or [] if isinstance(item, Mapping)]
    told = (f"## {item.get('title', '')}\n\n{item.get('content', '')} (by {item.get('by', 'somebody')})" for item in facts)
    return "\n\n".join(told)


def plain_text(content: str) -> str:
    """All prose of a result in order, for picking sentences."""
    value = _parsed(without_notice(content))
    if isinstance(value, list):
        return "\n".join(_first(item, _TEXT) or _inline(item) if isinstance(item, Mapping) else str(item) for item in value)
    return without_notice(content)


def key_sentences(text: str, count: int) -> list[str]:
    """The sentences whose words come up most in the text, in its order: a summary word for word."""
    found = sentences(text)
    frequency: dict[str, int] = {}
    for word in words(text):
        frequency[word] = frequency.get(word, 0) + 1

    def weight(index: int) -> float:
        meaning = content_words(found[index])
        return sum(frequency[word] for word in meaning) / (len(meaning) + 5)  # + 5: a short sentence says little

    return [found[index] for index in sorted(sorted(range(len(found)), key=weight, reverse=True)[:count])]


def _listed(items: list[Any], topic: str) -> str:
    if any(isinstance(item, Mapping) and len(_first(item, _TEXT)) > 80 for item in items):
        texts = [f"{_first(item, _TITLE)} {_first(item, _TEXT)}" if isinstance(item, Mapping) else str(item) for item in items]
        return "\n".join(f"- {_item(items[index], topic)}" for index in _fitting(texts, topic))
    rest = [f"- … and {len(items) - MAX_LINES} more"] if len(items) > MAX_LINES else []
    return "\n".join([*(f"- {_item(item, topic)}" for item in items[:MAX_LINES]), *rest]) or "nothing"


def _fitting(texts: list[str], topic: str) -> list[int]:
    """The places of the best texts, in the order the tool gave them, which is its own order of rank."""
    wanted = content_words(topic)
    scores = [hits(wanted, words(text)) for text in texts]
    least = max(1, max(scores) / 2)
    return [index for index, score in enumerate(scores) if score >= least][:MAX_PASSAGES] or [0]


def _item(item: Any, topic: str) -> str:
    if not isinstance(item, Mapping):
        return _inline(item)
    title, text, source = _first(item, _TITLE), _first(item, _TEXT), _sourced(item)
    if not text:
        return ", ".join(f"{key}: {_inline(value)}" for key, value in item.items() if value not in (None, ""))
    head = f"**{title}**: " if title else ""
    status = f" [{item['status']}]" if "status" in item else ""
    return f"{head}{_excerpt(text, topic)}{f' {source}' if source else ''}{status}"


def _excerpt(text: str, topic: str) -> str:
    return " ".join(most_relevant(text, topic, 2)) if len(sentences(text)) > 2 else " ".join(text.split())


def _first(item: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return next((str(item[key]) for key in keys if item.get(key)), "")


def _inline(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def fields_of(content: str) -> Mapping[str, Any]:
    """The fields of a result that is a JSON object; else none."""
    value = _parsed(content)
    return value if isinstance(value, Mapping) else {}


def _parsed(content: str) -> Any:
    if not re.match(r"\s*[\[{]", content):
        return None
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        return None
