"""From a model's name to a model object. The only place that lists providers; each adapter is imported when first used."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from busagents.errors import ModelUnavailable
from busagents.ports.model import Model
from busagents.settings import Settings

OFFLINE_DEFAULT = "offline:demo"
OPENAI_DEFAULT = "openai:gpt-5-mini"


def resolve_model(model: str | Model | None, settings: Settings) -> Model:
    """The model an agent declared: an object as it is, a `"provider:name"` as an adapter, None as the default.

    Raises:
        ModelUnavailable: an unknown provider, a name without one, or a missing key; the text names what to set.
    """
    if model is None:
        model = _default_name(settings)
    if not isinstance(model, str):
        return model
    provider, colon, name = model.partition(":")
    factory = _PROVIDERS.get(provider)
    if factory is None or not name:
        known = ", ".join(f"{known}:…" for known in sorted(_PROVIDERS))
        reason = f"provider {provider!r} is not known" if colon and factory is None else "it must read provider:name"
        raise ModelUnavailable(f"model {model!r} cannot be used: {reason}. Known are {known}", code="unknown_model")
    return factory(name, settings)


def default_model_notice(settings: Settings) -> str:
    """One line for people: which model agents that name none use, and why."""
    name = _default_name(settings)
    if settings.model:
        return f"model {name} (BUSAGENTS_MODEL) for agents that name none"
    if name == OPENAI_DEFAULT:
        return f"model {name} (OPENAI_API_KEY is set) for agents that name none; BUSAGENTS_MODEL changes it"
    return f"model {name}: built in, no language model. Set OPENAI_API_KEY, or BUSAGENTS_MODEL=provider:name, for a real one"


def _default_name(settings: Settings) -> str:
    return settings.model or (OPENAI_DEFAULT if settings.openai_api_key else OFFLINE_DEFAULT)


def _openai(name: str, settings: Settings) -> Model:
    from busagents.adapters.openai_chat import OpenAIChatModel

    key = settings.openai_api_key
    if key is None and not _is_loopback(settings.openai_base_url):
        raise ModelUnavailable(
            f"model 'openai:{name}' needs a key: set OPENAI_API_KEY, or OPENAI_BASE_URL to a server on this machine, "
            f"or use model={OFFLINE_DEFAULT!r}, which needs none",
            code="missing_key",
        )
    return OpenAIChatModel(name, api_key=key or "none", base_url=settings.openai_base_url)


def _offline(name: str, settings: Settings) -> Model:
    from busagents.adapters.offline import OfflineModel

    return OfflineModel(name)


def _is_loopback(url: str | None) -> bool:
    host = urlsplit(url or "").hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_PROVIDERS: dict[str, Callable[[str, Settings], Model]] = {"offline": _offline, "openai": _openai}
