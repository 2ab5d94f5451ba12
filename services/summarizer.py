"""Shortens a text to its most telling sentences. A function as a participant: no model, so nothing is made up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator

from busagents import FunctionTask, Progress, agent

SENTENCES = 3  # of a summary
COMMON = frozenset(
    re.findall(
        r"\w+",
        "a about all also an and are as at be been but by can for from had has have he her his if in into is it its more most "
        "not of on one only or our she so some such than that the their them then there these they this to was we were what "
        "when which who will with would you",
    )
)


@agent("summarizer", description="Picks the three most telling sentences of a text, word for word. Uses no model.")
async def summarizer(task: FunctionTask) -> AsyncIterator[str | Progress]:
    sentences = [s for s in re.split(r"(?<=[.!?])\s+|\n{2,}", task.text.strip()) if s.strip()]
    if len(sentences) <= SENTENCES:
        yield task.text.strip() or "There is no text to summarize: send it as the message."
        return
    yield Progress(f"weighing {len(sentences)} sentences")
    frequency = Counter(word for sentence in sentences for word in _words(sentence))

    def weight(index: int) -> float:
        words = _words(sentences[index])
        return sum(frequency[word] for word in set(words)) / (len(words) + 5)  # + 5: very short sentences say little

    best = sorted(sorted(range(len(sentences)), key=weight, reverse=True)[:SENTENCES])
    for position, index in enumerate(best):
        yield (" " if position else "") + " ".join(sentences[index].split())


def _words(sentence: str) -> list[str]:
    return [word for word in re.findall(r"[^\W\d_]+", sentence.lower()) if word not in COMMON]
