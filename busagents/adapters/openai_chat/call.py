"""The call itself: one request, one stream. Errors are classified, never retried here; retries are recorded by the runtime."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from busagents.adapters.openai_chat.chunks import TurnAccumulator
from busagents.adapters.openai_chat.failures import classify
from busagents.adapters.openai_chat.profile import OPENAI, ProviderProfile
from busagents.adapters.openai_chat.request import estimated_input_tokens, to_request
from busagents.errors import ModelUnavailable
from busagents.ports.model import Chunk, ModelRequest

if TYPE_CHECKING:
    from openai import AsyncOpenAI

CONNECT_TIMEOUT = 10.0  # seconds


class OpenAIChatModel:
    """A model behind `POST /chat/completions`. Implements `ports.model.Model`.

    Args:
        model: the provider's name for it, for example `gpt-5-mini`.
        api_key: sent as a bearer token; appears in no error text.
        base_url: instead of the profile's.
        profile: the provider's peculiarities.
        timeout: seconds without a byte after which the call counts as failed; reasoning models think for minutes.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str,
        base_url: str | None = None,
        profile: ProviderProfile = OPENAI,
        timeout: float = 600.0,
    ) -> None:
        self._model = model
        self._key = api_key
        self._base_url = base_url or profile.base_url
        self._profile = profile
        self._timeout = timeout
        self._client: AsyncOpenAI | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def name(self) -> str:
        """See Model."""
        return f"{self._profile.name}:{self._model}"

    async def stream(self, request: ModelRequest) -> AsyncIterator[Chunk]:
        """See Model. Closing the generator closes the connection at once."""
        body = to_request(request, model=self._model, profile=self._profile)
        accumulator = TurnAccumulator(self._profile.name)
        client = await self._connected()
        errors = _upstream_errors()
        try:
            # Everything but three fields goes as `extra_body`: the SDK's signature knows fewer fields than providers do.
            rest = {name: value for name, value in body.items() if name not in ("model", "messages", "stream")}
            events = await client.chat.completions.create(
                model=body["model"], messages=body["messages"], stream=True, extra_body=rest
            )
        except errors as error:
            raise classify(error, profile=self._profile, key=self._key) from None
        try:
            async for event in events:
                for delta in accumulator.feed(_plain(event)):
                    yield delta
        except errors as error:
            if not accumulator.ended:  # after the finish_reason only the usage is missing, and that can be estimated
                raise classify(error, profile=self._profile, key=self._key) from None
        finally:
            await events.close()
        yield accumulator.finish(input_tokens=0 if accumulator.has_usage else estimated_input_tokens(body))

    async def _connected(self) -> AsyncOpenAI:
        """The client of the running loop, made at the first call: its connections belong to one loop and one process."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            try:
                sdk = await asyncio.to_thread(importlib.import_module, "openai")  # takes 0.4 s: the loop goes on meanwhile
            except ImportError as error:
                raise ModelUnavailable(
                    f"model {self.name!r} needs the package 'openai', which cannot be imported ({error}): install it",
                    code="missing_package",
                ) from None
            self._client = sdk.AsyncOpenAI(
                api_key=self._key,
                base_url=self._base_url,
                max_retries=0,
                timeout=sdk.Timeout(self._timeout, connect=min(CONNECT_TIMEOUT, self._timeout)),
            )
            self._loop = loop
        return self._client


def _upstream_errors() -> tuple[type[Exception], ...]:
    """What the SDK may raise: its own errors, its HTTP client's where they leak, and ValueError for a line that is not JSON."""
    import httpx2
    import openai

    return (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, ValueError)


def _plain(event: Any) -> dict[str, Any]:
    """The chunk as it was on the wire, unknown fields included."""
    if isinstance(event, dict):
        return event
    if not hasattr(event, "model_dump"):
        raise ValueError(f"a chunk is {type(event).__name__}, not an object")
    dumped: dict[str, Any] = event.model_dump(exclude_unset=True, warnings=False)
    return dumped
