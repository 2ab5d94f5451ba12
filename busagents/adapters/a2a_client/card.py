"""A remote agent's card: what it is called, what it can do, and how to speak to it."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

import msgspec

from busagents.adapters.a2a_client.reading import field
from busagents.ports.remote import RemoteInvalid

Version = Literal["1.0", "0.3"]
Binding = Literal["JSONRPC", "HTTP+JSON"]
WELL_KNOWN = ("/.well-known/agent-card.json", "/.well-known/agent.json")

_BINDINGS: dict[str, Binding] = {"JSONRPC": "JSONRPC", "HTTP+JSON": "HTTP+JSON"}


class Interface(msgspec.Struct, frozen=True):
    """One way to speak to it."""

    url: str
    binding: Binding
    version: Version
    tenant: str = ""


class Card(msgspec.Struct, frozen=True):
    """What is used of a card. `skills` are (name, description)s; `api_key_header` is where it wants an API key."""

    name: str
    description: str
    interface: Interface
    streaming: bool
    skills: tuple[tuple[str, str], ...] = ()
    api_key_header: str = "X-API-Key"


def card_urls(url: str) -> list[str]:
    """Where the card may be: a URL of a JSON file as it is, else the well-known places below it."""
    path = urlsplit(url).path
    if path.endswith(".json") or urlsplit(url).query:
        return [url]
    base = url.rstrip("/")
    return [base + place for place in WELL_KNOWN]


def read_card(value: Any, url: str) -> Card:
    """The card that was at `url`.

    Raises:
        RemoteInvalid: it is none, or says of no version and binding that is spoken here.
    """
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise RemoteInvalid(f"what is at {url} is no agent card: it has no name")
    capabilities = field(value, "capabilities", {})
    streaming = bool(field(capabilities, "streaming", False)) if isinstance(capabilities, dict) else False
    skills = tuple(
        (str(item.get("name") or item.get("id") or ""), str(item.get("description") or ""))
        for item in _objects(field(value, "skills", []))
    )
    return Card(
        value["name"], str(value.get("description") or ""), _choose(value, url), streaming, skills, _api_key_header(value)
    )


def _choose(value: dict[str, Any], url: str) -> Interface:
    """The first way it prefers that is spoken here; 1.0 before 0.3, since it can list tasks."""
    found: list[Interface] = []
    for item in _objects(field(value, "supportedInterfaces", [])):
        version = _version(field(item, "protocolVersion", "1.0"))
        found += _interface(url, item.get("url"), field(item, "protocolBinding", ""), version, str(item.get("tenant") or ""))
    old = _version(field(value, "protocolVersion", "0.3"))
    found += _interface(url, value.get("url"), field(value, "preferredTransport", "JSONRPC"), old)
    for item in _objects(field(value, "additionalInterfaces", [])):
        found += _interface(url, item.get("url"), field(item, "transport", ""), old)
    if not found:
        raise RemoteInvalid(
            f"the card at {url} offers no interface that is spoken here: A2A 1.0 or 0.3 over JSONRPC or HTTP+JSON"
        )
    return next((item for item in found if item.version == "1.0"), found[0])


def _interface(base: str, url: Any, binding: Any, version: Version | None, tenant: str = "") -> list[Interface]:
    spoken = _BINDINGS.get(str(binding).upper())
    if spoken is None or version is None or not isinstance(url, str) or not url:
        return []
    return [Interface(urljoin(base, url), spoken, version, tenant)]


def _version(value: Any) -> Version | None:
    text = str(value)
    if text == "1" or text.startswith("1."):
        return "1.0"
    return "0.3" if text.startswith(("0.3", "0.2")) else None


def _api_key_header(value: dict[str, Any]) -> str:
    schemes = field(value, "securitySchemes", {})
    for item in schemes.values() if isinstance(schemes, dict) else ():
        scheme = field(item, "apiKeySecurityScheme", item) if isinstance(item, dict) else {}
        where = scheme.get("location") or scheme.get("in")
        if where == "header" and isinstance(scheme.get("name"), str):
            return str(scheme["name"])
    return "X-API-Key"


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
