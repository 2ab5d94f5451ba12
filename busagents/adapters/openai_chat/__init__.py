"""OpenAI's chat completions wire, which most other providers speak as well."""

from __future__ import annotations

from busagents.adapters.openai_chat.call import OpenAIChatModel
from busagents.adapters.openai_chat.profile import OPENAI, ProviderProfile

__all__ = ["OPENAI", "OpenAIChatModel", "ProviderProfile"]
