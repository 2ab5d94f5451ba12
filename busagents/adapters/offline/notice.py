"""What every answer of the offline model ends with, so that nobody takes it for a language model."""

from __future__ import annotations

NOTICE = '(busagents\' offline demo model: no language model, only word matching. For a real one set OPENAI_API_KEY or model="openai:…".)'


def without_notice(text: str) -> str:
    """A text without the notices of those who wrote it: one at the end of the whole answer is enough."""
    return text.replace(NOTICE, "").strip()
