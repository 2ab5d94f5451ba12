"""The answer: from tool results, from the conversation, or the plain word that there is none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from busagents.adapters.offline.brief import Brief
from busagents.adapters.offline.instructed import FINISHED
from busagents.adapters.offline.memory import is_introduction, recalled, stated_facts
from busagents.adapters.offline.notice import without_notice
from busagents.adapters.offline.reading import Reading
from busagents.adapters.offline.results import Finding, key_sentences, plain_text, readable, told
from busagents.adapters.offline.review import is_review, told_review
from busagents.adapters.offline.words import content_words, hits, most_relevant, sentences, shorten, words
from busagents.ports.model import ModelRequest, ToolSpec

_SUMMARIZE = re.compile(r"\b(?:summari[sz]e|summary|shorten|key points|main points|tl;?dr|in short)\b", re.IGNORECASE)
GIVEN_SENTENCES = 6
LONG_PROMPT = 600  # characters: such a prompt is a text to work on


def answer_text(request: ModelRequest, brief: Brief, reading: Reading, findings: Sequence[Finding]) -> str:
    """The answer without the notice. Empty only if there is nothing at all to say."""
    finished = next((found for found in findings if FINISHED & set(found.arguments) and not found.is_error), None)
    if finished is not None:
        return plain_text(finished.content)
    if not findings and is_review(brief, request.system):
        return told_review(brief)
    facts = stated_facts(reading.prose) if is_introduction(reading.prose) else []
    noted = f"Noted: {'; '.join(facts)}." if facts else ""
    sections = _sections(reading, findings)
    if sections:
        return "\n\n".join([*([noted] if noted else []), *sections])
    if brief.material and not reading.is_greeting:
        points = key_sentences(brief.material, GIVEN_SENTENCES)
        return "\n".join(["From what I was given:", "", *(f"- {point}" for point in points)])
    known = recalled(reading.prose, request.messages)
    if known:
        return known
    return noted or _without_tools(request, reading)


def body_of(reading: Reading, findings: Sequence[Finding]) -> str:
    """What the tools found, as the body of a document; empty if they found nothing."""
    return "\n\n".join(_sections(reading, [found for found in findings if not found.is_error]))


def spoken(reading: Reading, findings: Sequence[Finding]) -> str:
    """What the tools found without a word on how, as an answer to somebody who does not know of tools."""
    return "\n\n".join(readable(found.content, reading.topic) for found in findings if not found.is_error)


def prose_of(findings: Sequence[Finding]) -> str:
    """The plain prose of what the tools found."""
    return "\n".join(plain_text(found.content) for found in findings if not found.is_error)


def _sections(reading: Reading, findings: Sequence[Finding]) -> list[str]:
    return [section for section in dict.fromkeys(_section(reading, found) for found in findings) if section]


def _section(reading: Reading, found: Finding) -> str:
    return told(found, " ".join([reading.topic, *reading.meaning]))


def _without_tools(request: ModelRequest, reading: Reading) -> str:
    if reading.is_greeting:
        return f"Hello! {_abilities(request.tools)}"
    found = sentences(reading.document)
    if len(found) > 3 and (_SUMMARIZE.search(reading.document) or len(reading.document) > LONG_PROMPT):
        text = reading.document
        if _SUMMARIZE.search(found[0]):
            text = "\n".join([found[0].partition(": ")[2], *found[1:]])
        return "The main points, word for word:\n\n" + "\n".join(f"- {sentence}" for sentence in key_sentences(text, 3))
    spoken = _from_conversation(request, reading)
    if spoken:
        return spoken
    return f"You wrote: “{shorten(reading.prose or reading.text, 200)}” I cannot answer that from words alone. {_abilities(request.tools)}"


def _from_conversation(request: ModelRequest, reading: Reading) -> str:
    """Sentences of the instructions and of earlier answers that share at least two words with a question."""
    if not reading.is_question:
        return ""
    earlier = [message.text for message in request.messages[-20:-1] if message.role in ("user", "assistant")]
    text = "\n".join([request.system, *(without_notice(said) for said in earlier)])
    wanted = content_words(reading.prose)
    fitting = [sentence for sentence in most_relevant(text, reading.prose, 2) if hits(wanted, words(sentence)) >= 2]
    return "From what I was told: " + " ".join(fitting) if fitting else ""


def _abilities(tools: Sequence[ToolSpec]) -> str:
    if not tools:
        return "I have no tools here; I can repeat what you told me in this conversation and pick the main points of a text."
    listed = "; ".join(f"`{tool.name}` ({_first_sentence(tool.description)})" for tool in tools[:8])
    return f"My tools are: {listed}."


def _first_sentence(text: str) -> str:
    found = sentences(text)
    return shorten(found[0], 80).rstrip(".") if found else "no description"
