"""Counts words. A function as a participant: no model at all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator

from busagents import Artifact, DataPart, FunctionTask, agent

WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@agent("word_count", description="Counts the words, sentences and characters of a text. Uses no model.")
async def word_count(task: FunctionTask) -> AsyncIterator[str | Artifact]:
    words = [word.lower() for word in WORD.findall(task.text)]
    sentences = max(len(re.findall(r"[.!?]+(?=\s|$)", task.text)), 1 if words else 0)
    totals = ((len(words), "word"), (sentences, "sentence"), (len(task.text), "character"))
    common = Counter(words).most_common(5)
    yield ", ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in totals) + "."
    if common:
        yield " Most frequent: " + ", ".join(f"{word} ({count})" for word, count in common) + "."
    counts = {"words": len(words), "sentences": sentences, "characters": len(task.text), "frequent": dict(common)}
    yield Artifact("counts", (DataPart(counts),))
