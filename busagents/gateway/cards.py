"""Agent cards: one for each participant that can be called, and one for the whole, made from who is on the bus now.

A card is of both versions: 1.0's fields, and beside them those that only 0.3 reads. A2A specification 1.0.1, section 8.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any

import msgspec

from busagents.gateway.errors import A2AError
from busagents.gateway.types import Exposed

WELL_KNOWN = ("/.well-known/agent-card.json", "/.well-known/agent.json")  # the second: 0.2 and older, still asked for
_FRESH = 1.0  # seconds: looking around on the bus takes a third of one
_KEPT = 1024  # cards; callers choose the host name in them
_MODES = ["text/plain", "application/json"]

base_of_request: ContextVar[str] = ContextVar("base_of_request", default="")
"""Where the caller of the request at hand reached us: scheme, host and root path. The guards set it."""

Json = dict[str, Any]
Signer = Callable[[Json, str], Sequence[Json]]
"""Gets a card without signatures, and the base URL; returns the card's signatures."""


class CardSettings(msgspec.Struct, frozen=True):
    """What all cards say. `title` and `description` are the whole's; `auth`: callers must say who they are."""

    title: str = "busagents"
    description: str = ""
    version: str = "0.1.0"
    public_url: str = ""  # where callers reach it, if not at the host they name
    root: str = ""  # the participant that answers at the root; "": the card of the whole leads to the first by name
    push: bool = True
    api_keys: bool = False
    tokens: bool = False
    organization: str = ""
    organization_url: str = ""
    documentation_url: str = ""

    @property
    def auth(self) -> bool:
        """Whether callers must say who they are."""
        return self.api_keys or self.tokens


class Card(msgspec.Struct, frozen=True):
    """A card as it is sent, and the ETag of exactly these bytes."""

    body: bytes
    etag: str


class Reply(msgspec.Struct, frozen=True):
    """An HTTP answer: 200, 304 or 404."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Cards:
    """Made from `participants`, which is asked about once a second while cards are asked for. `exists` tells of one who is not
    among them whether it can be called all the same.
    """

    def __init__(
        self,
        participants: Callable[[], Awaitable[Sequence[Exposed]]],
        settings: CardSettings,
        sign: Signer | None = None,
        exists: Callable[[str], Awaitable[bool]] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._ask = participants
        self._sign = sign
        self._now = now
        self._exists = exists
        self._away: dict[str, Exposed] = {}
        self._names: frozenset[str] = frozenset()
        self._looking: asyncio.Future[None] | None = None
        self._known: tuple[Exposed, ...] = ()
        self._asked = float("-inf")
        self._made: dict[tuple[str, str, bool], Card] = {}

    async def card(self, base: str, name: str = "", *, extended: bool = False) -> Card | None:
        """The card of a participant, "" for the whole; None if nobody is called that. `base` is where the caller reached us."""
        known = await self.known(name)
        base = (self.settings.public_url or base).rstrip("/")
        key = (base, name, extended)
        if key not in self._made:
            document = self._document(base, name, known, extended)
            if document is None:
                return None
            if len(self._made) >= _KEPT:
                self._made.clear()
            body = msgspec.json.encode(document)
            self._made[key] = Card(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
        return self._made[key]

    async def reply(self, base: str, name: str = "", *, if_none_match: str = "", extended: bool = False) -> Reply:
        """The answer to GET or HEAD of a card."""
        card = await self.card(base, name, extended=extended)
        if card is None:
            body = msgspec.json.encode({"error": {"code": 404, "status": "NOT_FOUND", "message": _nobody(name)}})
            return Reply(404, ((b"content-type", b"application/json"), (b"cache-control", b"no-store")), body)
        scope = b"private, no-cache" if extended else b"public, max-age=60"
        headers = ((b"content-type", b"application/json"), (b"etag", card.etag.encode()), (b"cache-control", scope))
        if _matches(card.etag, if_none_match):
            return Reply(304, headers[1:], b"")
        return Reply(200, headers, card.body)

    async def known(self, name: str = "") -> tuple[Exposed, ...]:
        """Who can be called: those of a moment ago, while it is looked again who is there. It waits for that only if nobody,
        or nobody of that name, was there before. While the bus cannot be asked, who could be called before.

        One of that name that is not there and has an inbox is among them: what it is sent waits there.

        Raises:
            A2AError: it cannot be asked and never could.
        """
        if self._now() - self._asked >= _FRESH and self._looking is None:
            self._looking = asyncio.ensure_future(self._look())
        if name in self._names:
            return self._known
        if self._looking is not None and (name or not self._known):
            await asyncio.shield(self._looking)
        if name and name not in self._names and self._exists is not None and await self._exists(name):
            self._away[name] = Exposed(name, "")
            self._set(self._known)
        return self._known

    async def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _look(self) -> None:
        try:
            self._set(await self._ask())
            self._asked = self._now()
        except A2AError:
            if not self._known:
                raise
            self._asked = self._now()
        finally:
            self._looking = None

    def _set(self, there: Sequence[Exposed]) -> None:
        """Those who are there, and of those who are away the ones who were asked for."""
        found = {**self._away, **{item.name: item for item in there}}
        known = tuple(found[name] for name in sorted(found))
        if known != self._known:
            self._known, self._names = known, frozenset(found)
            self._made.clear()

    def _document(self, base: str, name: str, known: Sequence[Exposed], extended: bool) -> Json | None:
        one = next((item for item in known if item.name == name), None)
        if name and one is None:
            return None
        detailed = extended or not self.settings.auth
        card = self._whole(base, known) if one is None else self._participant(base, one, detailed)
        both = {**card, **_of_version_0_3(card)}
        return both if self._sign is None else {**both, "signatures": self._sign(both, base)}

    def _participant(self, base: str, one: Exposed, detailed: bool) -> Json:
        skills = [_skill(one.name, one.name, _described(one), one.kind)]
        if detailed:
            skills += [_skill(f"{one.name}.{tool}", tool, text or tool, "tool") for tool, text in one.skills]
        return self._common(one.name, _described(one), one.version or self.settings.version, skills, f"{base}/agents/{one.name}")

    def _whole(self, base: str, known: Sequence[Exposed]) -> Json:
        settings = self.settings
        skills = [_skill(item.name, item.name, _described(item), item.kind) for item in known]
        skills = skills or [_skill("none", "none", "Nobody is on the bus yet; ask again later.", "")]
        entry = settings.root or (known[0].name if known else "")
        text = settings.description or "Agents on one bus."
        text += f" Each skill is an agent with a card of its own at {base}/agents/<skill id>/.well-known/agent-card.json."
        if entry:
            text += f" What is sent by this card goes to {entry}."
        url = base if settings.root or not entry else f"{base}/agents/{entry}"
        return self._common(settings.title, text, settings.version, skills, url)

    def _common(self, name: str, description: str, version: str, skills: list[Json], url: str) -> Json:
        settings = self.settings
        card: Json = {
            "name": name,
            "description": description,
            "version": version,
            "supportedInterfaces": [
                {"url": url, "protocolBinding": binding, "protocolVersion": number}
                for number in ("1.0", "0.3")
                for binding in ("JSONRPC", "HTTP+JSON")
            ],
            "capabilities": {"streaming": True, "pushNotifications": settings.push, "extendedAgentCard": settings.auth},
            "defaultInputModes": _MODES,
            "defaultOutputModes": _MODES,
            "skills": skills,
        }
        if settings.organization and settings.organization_url:
            card["provider"] = {"organization": settings.organization, "url": settings.organization_url}
        if settings.documentation_url:
            card["documentationUrl"] = settings.documentation_url
        if settings.auth:
            card["securitySchemes"] = _schemes(settings)
            card["securityRequirements"] = [{"schemes": {name: {}}} for name in card["securitySchemes"]]
        return card


def _schemes(settings: CardSettings) -> Json:
    schemes: Json = {}
    if settings.api_keys:
        schemes["key"] = {"apiKeySecurityScheme": {"location": "header", "name": "X-API-Key"}}
    schemes["bearer"] = {"httpAuthSecurityScheme": {"scheme": "Bearer", **({"bearerFormat": "JWT"} if settings.tokens else {})}}
    return schemes


def _of_version_0_3(card: Json) -> Json:
    """The fields that 0.3 reads and 1.0 does not know."""
    interfaces = card["supportedInterfaces"]
    url = interfaces[0]["url"]
    old: Json = {
        "protocolVersion": "0.3.0",
        "url": url,
        "preferredTransport": "JSONRPC",
        "additionalInterfaces": [{"transport": binding, "url": url} for binding in ("JSONRPC", "HTTP+JSON")],
        "supportsAuthenticatedExtendedCard": card["capabilities"]["extendedAgentCard"],
    }
    if schemes := card.get("securitySchemes"):
        old["securitySchemes"] = {name: {**scheme, **_scheme_0_3(scheme)} for name, scheme in schemes.items()}
        old["security"] = [{name: []} for name in schemes]
    return old


def _scheme_0_3(scheme: Json) -> Json:
    if key := scheme.get("apiKeySecurityScheme"):
        return {"type": "apiKey", "in": key["location"], "name": key["name"]}
    return {"type": "http", **scheme["httpAuthSecurityScheme"]}


def _skill(identity: str, name: str, description: str, tag: str) -> Json:
    return {"id": identity, "name": name, "description": description, "tags": [tag or "agent"]}


def _described(item: Exposed) -> str:
    return item.description.strip() or f"The {item.kind or 'participant'} {item.name}."


def _nobody(name: str) -> str:
    return f"nobody on the bus is called {name!r}: /.well-known/agent-card.json lists who is"


def _matches(etag: str, if_none_match: str) -> bool:
    """RFC 9110, 13.1.2: weak comparison with a list, or `*`."""
    wanted = [item.strip().removeprefix("W/") for item in if_none_match.split(",")]
    return etag in wanted or "*" in wanted
