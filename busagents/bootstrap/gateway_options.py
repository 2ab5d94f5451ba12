"""How a gateway runs: what its definition says, with what the environment says over it; and whether it may run so."""

from __future__ import annotations

import msgspec

from busagents.domain.gateway import Gateway
from busagents.errors import ConfigError
from busagents.gateway.callers import ApiKey, parse_keys
from busagents.gateway.cards import CardSettings
from busagents.gateway.hosts import is_loopback
from busagents.settings import GatewaySettings

SYMMETRIC = "HS"  # whoever can check such a token can make one


class GatewayOptions(msgspec.Struct, frozen=True):
    """What a gateway's process works with. No secret is in it but hashes."""

    host: str
    port: int | None
    keys: tuple[ApiKey, ...]
    jwks_url: str
    issuer: str
    audience: str
    scope: str
    algorithms: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    tls_certificate: str
    tls_key: str
    push_allowed: tuple[str, ...]
    cards: CardSettings


def gateway_options(definition: Gateway, settings: GatewaySettings, version: str) -> GatewayOptions:
    """The options of a definition.

    Raises:
        ConfigError: they contradict each other, or anybody on the network could call everything.
    """
    host = settings.host or definition.host
    keys = parse_keys(settings.keys)
    auth = bool(keys or settings.jwks_url)
    if not auth and not is_loopback(host) and not (definition.insecure or settings.insecure):
        raise ConfigError(
            f"the gateway listens on {host}, so anybody who reaches this machine could call every agent: "
            "set BUSAGENTS_GATEWAY_KEYS=name=key or BUSAGENTS_GATEWAY_JWKS_URL, or listen on 127.0.0.1, "
            "or say that this is wanted with insecure=True or BUSAGENTS_GATEWAY_INSECURE=1"
        )
    named = _list(settings.allowed_hosts) or definition.allowed_hosts
    cards = CardSettings(
        title=definition.title,
        description=definition.about,
        version=version,
        public_url=(settings.public_url or definition.public_url).rstrip("/"),
        root=definition.root,
        push=True,
        api_keys=bool(keys),
        tokens=bool(settings.jwks_url),
    )
    return GatewayOptions(
        host=host,
        port=settings.port if settings.port is not None else definition.port,
        keys=keys,
        jwks_url=settings.jwks_url,
        issuer=settings.issuer,
        audience=settings.audience,
        scope=settings.scope,
        algorithms=_checked_tokens(settings),
        allowed_hosts=_allowed_hosts(named, host, auth, cards.public_url),
        allowed_origins=_list(settings.allowed_origins) or definition.allowed_origins,
        tls_certificate=settings.tls_certificate or definition.tls_certificate,
        tls_key=settings.tls_key or definition.tls_key,
        push_allowed=_list(settings.push_allowed),
        cards=cards,
    )


def _checked_tokens(settings: GatewaySettings) -> tuple[str, ...]:
    algorithms = _list(settings.algorithms)
    if not settings.jwks_url:
        return algorithms
    if not settings.jwks_url.startswith(("https://", "http://localhost", "http://127.0.0.1", "http://[::1]")):
        raise ConfigError("BUSAGENTS_GATEWAY_JWKS_URL is not https, so anybody on the way could make tokens: use an https URL")
    if not settings.issuer or not settings.audience:
        raise ConfigError(
            "BUSAGENTS_GATEWAY_JWKS_URL needs BUSAGENTS_GATEWAY_ISSUER and BUSAGENTS_GATEWAY_AUDIENCE: "
            "else a token made for somebody else's service would open this one"
        )
    weak = [name for name in algorithms if name.startswith(SYMMETRIC) or name.lower() == "none"]
    if weak or not algorithms:
        raise ConfigError(
            f"BUSAGENTS_GATEWAY_ALGORITHMS={settings.algorithms!r}: {', '.join(weak) or 'none'} cannot be checked with "
            "public keys: use RS256, PS256, ES256 or EdDSA"
        )
    return algorithms


def _allowed_hosts(named: tuple[str, ...] | None, host: str, auth: bool, public_url: str) -> tuple[str, ...]:
    """A page that points its own name at this machine has no key, so with keys any name may be used unless some were named."""
    if named is None and auth and not is_loopback(host):
        return ("*",)
    public = public_url.partition("://")[2].partition("/")[0]
    public = public.rpartition(":")[0] if ":" in public and not public.endswith("]") else public
    return tuple(name for name in (*(named or ()), host, public) if name)


def _list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())
