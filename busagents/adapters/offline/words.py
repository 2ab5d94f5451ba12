"""Words and sentences: what counts as the same word, and which sentences are about something."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[\"“(]?[A-Z0-9À-Þ])|\n+")
_MARKUP = re.compile(r"^\s*(?:#+|[-*>]|\d+[.)])\s+")

STOP_WORDS = frozenset(
    [
        "a",
        "about",
        "above",
        "after",
        "again",
        "all",
        "also",
        "am",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "before",
        "being",
        "best",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "doing",
        "done",
        "down",
        "each",
        "every",
        "few",
        "for",
        "from",
        "get",
        "give",
        "go",
        "had",
        "has",
        "have",
        "having",
        "he",
        "her",
        "here",
        "him",
        "his",
        "how",
        "i",
        "i'd",
        "i'm",
        "if",
        "in",
        "into",
        "is",
        "it",
        "it's",
        "its",
        "just",
        "know",
        "let",
        "like",
        "made",
        "make",
        "many",
        "may",
        "me",
        "might",
        "more",
        "most",
        "much",
        "must",
        "my",
        "need",
        "no",
        "nor",
        "not",
        "now",
        "of",
        "off",
        "on",
        "once",
        "one",
        "only",
        "or",
        "other",
        "our",
        "out",
        "over",
        "own",
        "please",
        "say",
        "says",
        "she",
        "should",
        "show",
        "so",
        "some",
        "such",
        "take",
        "tell",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "through",
        "to",
        "too",
        "under",
        "until",
        "up",
        "us",
        "use",
        "using",
        "very",
        "want",
        "was",
        "we",
        "were",
        "what",
        "what's",
        "when",
        "where",
        "which",
        "while",
        "who",
        "whose",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
)


def words(text: str) -> list[str]:
    """The words of a text in order, in lower case. `snake_case` gives two."""
    return [word.lower() for word in _WORD.findall(text)]


def content_words(text: str) -> list[str]:
    """The words that carry meaning, each once, in order."""
    return [word for word in dict.fromkeys(words(text)) if word not in STOP_WORDS and len(word) > 1]


def alike(one: str, other: str) -> bool:
    """True for the same word in another form: calculate and calculator, summary and summarize, file and files."""
    if one == other:
        return True
    shared = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return shared >= 4 and shared >= 0.6 * max(len(one), len(other))


def hits(wanted: Iterable[str], present: Iterable[str]) -> int:
    """How many of the wanted words are present in some form."""
    there = list(present)
    return sum(any(alike(word, other) for other in there) for word in wanted)


def sentences(text: str) -> list[str]:
    """The sentences of a text, without list marks and headings' signs."""
    found = (_MARKUP.sub("", piece).strip() for piece in _SENTENCE.split(text))
    return [sentence for sentence in found if len(sentence) > 1]


def most_relevant(text: str, topic: str, count: int) -> list[str]:
    """The `count` sentences of a text that share most words with the topic, in the text's order."""
    wanted = content_words(topic)
    ranked = sorted(enumerate(sentences(text)), key=lambda item: (-hits(wanted, words(item[1])), item[0]))
    return [sentence for _, sentence in sorted(ranked[:count])]


def shorten(text: str, length: int) -> str:
    """The text on one line, cut at a word's end to at most `length` characters."""
    line = " ".join(text.split())
    if len(line) <= length:
        return line
    return line[:length].rsplit(" ", 1)[0].rstrip(",;:") + " …"
