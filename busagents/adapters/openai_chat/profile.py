"""What differs between providers of the chat completions wire, as data."""

from __future__ import annotations

from typing import Literal

import msgspec


class ProviderProfile(msgspec.Struct, frozen=True):
    """One provider: a row of a table instead of a branch in the code.

    `name` is the word before the colon in a model's name; `key_variable` the environment variable that holds the key, for
    error texts. `usage` says what makes a stream report tokens: `ask` for it, `auto` (unasked), or `none` (estimate them).
    """

    name: str
    base_url: str
    key_variable: str
    max_tokens_field: str = "max_tokens"
    usage: Literal["ask", "auto", "none"] = "ask"


OPENAI = ProviderProfile(
    name="openai",
    base_url="https://api.openai.com/v1",
    key_variable="OPENAI_API_KEY",
    max_tokens_field="max_completion_tokens",
)
