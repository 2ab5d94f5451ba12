"""What can be read from a prompt without understanding it: code, file names, quotations, wishes and the topic."""

from __future__ import annotations

import re
from functools import cached_property

from busagents.adapters.offline.arithmetic import expressions, without_arithmetic
from busagents.adapters.offline.verbs import acts_of
from busagents.adapters.offline.words import STOP_WORDS, shorten, words

_FENCE = re.compile(r"```[ \t]*([\w+-]*)[ \t]*\n?(.*?)```", re.DOTALL)
_INLINE_CODE = re.compile(r"`([^`\n]+)`")
_FILE = re.compile(
    r"(?<![\w/@:])(?:[\w.-]{1,60}/){0,6}[\w-]{1,60}(?:\.[\w-]{1,20}){0,2}\.(?:md|txt|csv|tsv|json|py|html?|log|ya?ml|toml|rst)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”|«([^»\n]+)»|(?<!\w)'([^'\n]{2,})'(?!\w)|‘([^’\n]{2,})’(?!\w)")
_QUESTION = re.compile(
    r"\?\s*$|^\s*(?:what|who|whom|whose|when|where|which|why|how|is|are|was|were|do|does|did|can|could|should|will|would)\b",
    re.IGNORECASE | re.MULTILINE,
)
_SEARCH_WORDS = frozenset(
    [
        "research",
        "search",
        "find",
        "lookup",
        "investigate",
        "explore",
        "explain",
        "describe",
        "tell",
        "compare",
        "analyze",
        "analyse",
        "latest",
        "news",
        "overview",
        "recommend",
        "suggest",
        "plan",
        "trends",
        "market",
        "guide",
        "learn",
        "about",
    ]
)
_SUMS = frozenset(
    [
        "calculate",
        "compute",
        "calculator",
        "evaluate",
        "result",
        "equals",
        "equal",
        "answer",
        "work",
        "solve",
        "python",
        "sum",
        "add",
        "plus",
        "product",
        "multiply",
        "divide",
        "minus",
        "subtract",
    ]
)
_WRITE = re.compile(r"\b(?:write|save|store|export|put|record|create|produce|draft)\b", re.IGNORECASE)
_WRITABLE = re.compile(r"\b(?:files?|reports?|notes?|documents?|markdown|to disk)\b", re.IGNORECASE)
_GREETING = re.compile(
    r"^\W*(?:hi|hello|hey|good (?:morning|evening|day)|thanks?|thank you|bye|ping|test)\b[\w\s,]{0,20}\W*$", re.IGNORECASE
)
_COMPARE = re.compile(
    r"\bcompar(?:e|ing)\s+(.+?)\s+(?:and|with|to|vs\.?|versus)\s+(.+)|^(.+?)\s+(?:vs\.?|versus)\s+(.+)", re.IGNORECASE
)
_NEXT_WISH = re.compile(
    r"(?:[,;.]\s*(?:and\s+|then\s+|after that\s+)*|\s+(?:and|then|after that)\s+(?:then\s+|also\s+)?)(?:write|save|store|put|create|produce|draft|export|email|send|tell|"
    r"calculate|compute|work out|run|execute|give|make|list|summari[sz]e|report|record|open|show|explain)\b.*|"
    r"\s+(?:in|into|to)\s+(?:a|the)\s+(?:file|report)\b.*|,\s+(?:and\s+)?(?:what|where|how|which|when|who|please)\b.*",
    re.IGNORECASE | re.DOTALL,
)
_PLACE = re.compile(r"\b(?:in|near|to|visit|around)\s+([A-ZÀ-Þ][\w'’-]+)\b(?=[^?]*[.!](?:\s|$))")
_OPENERS = re.compile(
    r"^(?:[\s,.:;!-]+|please\b|(?:can|could|would|will) you\b|i(?:'d| would) like (?:you )?to\b|i (?:want|need) (?:you )?to\b|"
    r"i (?:want|need)\b|help me(?: to)?\b|hey\b|hi\b|hello\b|now\b|then\b|also\b|first\b|quickly\b|briefly\b|let's\b|"
    r"(?:remember|note|keep in mind)(?: that)?\b|plan(?: me)?\b|\d+[- ](?:day|week|hour)s?\b|do (?:some )?(?=research)|use (?:the )?\w+ to\b|"
    r"(?:research|search(?: the (?:web|internet))?|look up|find out|find|investigate|explore|google|tell me|explain|describe|"
    r"summari[sz]e|give me|show me|write(?: me)?|compare|analy[sz]e|recommend|suggest|learn|report(?= on| about))\b|"
    r"(?:information|details|facts|something|everything|an? (?:short |brief )?(?:overview|summary|report|guide)|the latest)\b|"
    r"(?:about|on|for|into|of|regarding|concerning|to me|me)\b|(?:the|a few|a|an|some)\b|"
    r"(?:what|who|when|where|why|which|how)(?:'s|'re)?\b|(?:is|are|was|were|does|did|do|can|should|will|has|have)\b|"
    r"(?:i|you|we|one|it|there)\b|(?:much|many|long|know|do you know)\b)",
    re.IGNORECASE,
)


MAX_READ = 20_000  # characters of a message; the patterns below look at fewer, because some take quadratic time
MAX_START, MAX_END = 2_500, 500  # characters of a long message in which its wish is looked for


class Reading:
    """One prompt, read once. `text` is the user's message; `told_to_write`: a file is wanted whatever it says."""

    def __init__(self, text: str, *, told_to_write: bool = False) -> None:
        self.text = text[:MAX_READ].strip()
        self._told_to_write = told_to_write

    @cached_property
    def code(self) -> str:
        """The first fenced code block, without its fence."""
        match = _FENCE.search(self.text)
        return match[2].strip("\n") if match else ""

    @cached_property
    def inline_code(self) -> str:
        """The first `inline code` of the prose."""
        match = _INLINE_CODE.search(self.prose)
        return match[1] if match else ""

    @cached_property
    def document(self) -> str:
        """The prompt without its fenced code."""
        return _FENCE.sub(" ", self.text).strip()

    @cached_property
    def prose(self) -> str:
        """The start and the end of the document, where people say what they want."""
        if len(self.document) <= MAX_START + MAX_END:
            return self.document
        return f"{self.document[:MAX_START]}\n{self.document[-MAX_END:]}"

    @cached_property
    def words(self) -> list[str]:
        """The words of the prose, without arithmetic and file names, so that "3 times 4" is not about time."""
        return words(without_arithmetic(_FILE.sub(" ", self.prose)))

    @cached_property
    def meaning(self) -> list[str]:
        """The words that carry meaning."""
        return [word for word in dict.fromkeys(self.words) if word not in STOP_WORDS and len(word) > 1]

    @cached_property
    def expressions(self) -> list[str]:
        """Arithmetic in the prose."""
        return expressions(_FILE.sub(" ", self.prose))

    @cached_property
    def operations(self) -> list[str]:
        """The words for the signs of the arithmetic: tools may be named for one of them."""
        signs = {"+": "plus", "-": "minus", "*": "product", "/": "divide"}
        return [word for sign, word in signs.items() if any(sign in expression for expression in self.expressions)]

    @cached_property
    def only_arithmetic(self) -> bool:
        """True if nothing but arithmetic is asked for."""
        return bool(self.expressions) and len([word for word in self.meaning if word not in _SUMS]) <= 1

    @cached_property
    def files(self) -> list[str]:
        """File names, in order, each once."""
        return list(dict.fromkeys(_FILE.findall(self.prose)))

    @cached_property
    def quoted(self) -> list[str]:
        """Quoted pieces of the prose."""
        return [next(group for group in match.groups() if group) for match in _QUOTED.finditer(self.prose)]

    @cached_property
    def numbers(self) -> list[float]:
        """Plain numbers of the prose in order; whole ones are ints."""
        found = re.findall(r"(?<![\w.-])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w-])", self.prose)
        values = (raw.replace(",", "") for raw in found)
        return [float(raw) if "." in raw else int(raw) for raw in values]

    @cached_property
    def is_question(self) -> bool:
        """True if it reads like a question."""
        return bool(_QUESTION.search(self.prose))

    @cached_property
    def is_greeting(self) -> bool:
        """True for "hello" and the like, with nothing to do in it."""
        return bool(_GREETING.match(self.text))

    @cached_property
    def wants_search(self) -> bool:
        """True if it asks for knowledge."""
        researches = any(word in _SEARCH_WORDS for word in self.words)
        if self.is_greeting or self.only_arithmetic:
            return False
        return researches or (self.is_question and not self.expressions)

    @cached_property
    def wants_file(self) -> bool:
        """True if something is to be written to a file."""
        return self._told_to_write or (bool(_WRITE.search(self.prose)) and bool(self.files or _WRITABLE.search(self.prose)))

    @cached_property
    def topic(self) -> str:
        """What it is about, as one would type it into a search box."""
        chosen = next((line for line in re.split(r"(?<=[.?!])\s+|\n+", self.prose) if self._asks(line)), self.prose)
        head, colon, tail = chosen.partition(":")
        if colon and tail.strip() and acts_of(words(head)) and len(words(head)) <= 5:  # "open a ticket: …"
            chosen = tail
        chosen = _NEXT_WISH.sub("", _INLINE_CODE.sub(r"\1", chosen))
        rest = chosen
        while (match := _OPENERS.match(rest)) and match.end():
            rest = rest[match.end() :]
        rest = _FILE.sub(" ", rest).strip(" \t\n.,;:!?\"'")
        return shorten(rest or chosen.strip(" ?!."), 120)

    @cached_property
    def statement(self) -> str:
        """The prose without "remember that" before it."""
        return re.sub(r"^(?:please )?(?:remember|note|keep in mind)(?: that)?:?\s+", "", self.document, flags=re.IGNORECASE)

    @cached_property
    def topics(self) -> list[str]:
        """What to search for: the topic, with the place that another sentence names; or the two things to compare."""
        match = _COMPARE.search(_NEXT_WISH.sub("", self.prose))
        if match is None:
            place = _PLACE.search(self.prose)
            return [self.topic if place is None or place[1] in self.topic else f"{self.topic} {place[1]}"]
        one, other = (piece.strip(" \t\n.,;:!?") for piece in match.groups() if piece is not None)
        return [Reading(one).topic, Reading(other).topic]

    @staticmethod
    def _asks(sentence: str) -> bool:
        return bool(_QUESTION.search(sentence)) or any(word in _SEARCH_WORDS for word in words(sentence))
