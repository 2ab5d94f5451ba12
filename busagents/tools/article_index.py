"""Full-text search over a folder of Markdown articles, small enough to keep in memory.

Ranking is Okapi BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009), with
the idf form that stays positive for words that are in most articles. A query is words only: it has no syntax.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources.abc import Traversable

import msgspec

_K1, _B = 1.2, 0.75  # the usual constants: how fast repeated words saturate, how much length counts
_TITLE_WEIGHT = 3  # a word of the title counts as often as this many in the text
_SNIPPET = 400  # characters
_CUTOFF = 0.2  # of the best score: what is far below it shares a chance word
_WORD = re.compile(r"[^\W_]+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n{2,}")
_STOP = frozenset(
    _WORD.findall(
        "a about an and any are as at be but by can could did do does for from get give had has have help how i if in into is it "
        "its me my no not of on or our please search should so tell than that the their them there these they this to was we were "
        "what when where which who why will with would you your"
    )
)


class Hit(msgspec.Struct, frozen=True):
    """One article that was found; `snippet` is the part of it that fits the query best."""

    title: str
    source: str
    snippet: str


@dataclass(frozen=True)
class _Article:
    title: str
    source: str
    body: str
    counts: Counter[str]
    length: int


class ArticleIndex:
    """Search over the `*.md` files of a folder. The first line of each, `# …`, is its title; immutable, so thread-safe.

    Args:
        folder: a folder on disk (`Path`) or in a package (`importlib.resources.files`).
    """

    def __init__(self, folder: Traversable) -> None:
        files = sorted((file for file in folder.iterdir() if file.name.endswith(".md")), key=lambda file: file.name)
        self._articles = [_read(f"{folder.name}/{file.name}", file.read_text(encoding="utf-8")) for file in files]
        self._mean_length = sum(article.length for article in self._articles) / max(1, len(self._articles))
        self._spread = Counter(term for article in self._articles for term in article.counts)

    @property
    def titles(self) -> list[str]:
        """The articles' titles, in order of file name."""
        return [article.title for article in self._articles]

    def search(self, query: str, limit: int) -> list[Hit]:
        """The `limit` best articles that share a word with the query, best first; of equal ones in order of file name."""
        terms = sorted(set(_terms(query)))
        scored = [(self._score(article, terms), article) for article in self._articles]
        least = _CUTOFF * max((score for score, _ in scored), default=0.0)
        best = sorted((pair for pair in scored if pair[0] > least), key=lambda pair: -pair[0])[:limit]
        return [Hit(article.title, article.source, self._snippet(article, terms)) for _, article in best]

    def _weight(self, term: str) -> float:
        spread = self._spread[term]
        return math.log(1 + (len(self._articles) - spread + 0.5) / (spread + 0.5))

    def _score(self, article: _Article, terms: Iterable[str]) -> float:
        norm = _K1 * (1 - _B + _B * article.length / self._mean_length) if self._mean_length else _K1
        found = ((term, article.counts[term]) for term in terms if term in article.counts)
        return sum(self._weight(term) * count * (_K1 + 1) / (count + norm) for term, count in found)

    def _snippet(self, article: _Article, terms: list[str]) -> str:
        """The sentence with the most weight of the query, and as many after it as there is room for.

        Words of the title do not count: the whole article is about them, and its first sentence most of all.
        """
        title = set(_terms(article.title))
        sentences = [" ".join(sentence.split()) for sentence in _SENTENCE.split(article.body) if sentence.strip()]
        if not sentences:
            return ""
        words = [set(_terms(sentence)) for sentence in sentences]
        start = max(range(len(sentences)), key=lambda i: sum(self._weight(term) for term in terms if term in words[i] - title))
        text = sentences[start]
        for following in sentences[start + 1 :]:
            if len(text) + 1 + len(following) > _SNIPPET:
                break
            text += " " + following
        return text if len(text) <= _SNIPPET else text[: _SNIPPET - 1].rstrip() + "…"


def _read(source: str, text: str) -> _Article:
    head, _, body = text.partition("\n")
    title = head.lstrip("# ").strip()
    counts = Counter(_terms(body))
    for term in _terms(title):
        counts[term] += _TITLE_WEIGHT
    return _Article(title, source, body.strip(), counts, counts.total())


def _terms(text: str) -> list[str]:
    """Words without accents, case, stop words and the commonest endings."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(char))
    return [_stem(word) for word in _WORD.findall(plain) if word not in _STOP]


def _stem(word: str) -> str:
    """One form for arrive, arrives, arrived, arriving and for city, cities. Not a word, and need not be one."""
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    for ending in ("ing", "ed", "e", "i", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
    return word
