"""The environment, read here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from busagents.errors import ConfigError

Durability = Literal["process", "power"]


class GatewaySettings(msgspec.Struct, frozen=True):
    """What the environment says to the gateway. None and "" leave it to the definition. The variables begin with BUSAGENTS_GATEWAY_."""

    host: str | None = None  # HOST
    port: int | None = None  # PORT
    public_url: str = ""  # PUBLIC_URL
    keys: str = ""  # KEYS: `name=key` pairs; see busagents.gateway.callers.parse_keys
    jwks_url: str = ""  # JWKS_URL: where the keys of bearer tokens are
    issuer: str = ""  # ISSUER: who must have made a token
    audience: str = ""  # AUDIENCE: whom a token must be for
    scope: str = ""  # SCOPE: that a token must have
    algorithms: str = "RS256,ES256"  # ALGORITHMS: with which a token may be signed
    allowed_hosts: str = ""  # ALLOWED_HOSTS: separated by commas
    allowed_origins: str = ""  # ALLOWED_ORIGINS: separated by commas
    tls_certificate: str = ""  # TLS_CERTIFICATE: a file
    tls_key: str = ""  # TLS_KEY: a file
    tls_key_password: str = ""  # TLS_KEY_PASSWORD
    signing_key: str = ""  # SIGNING_KEY: a private key in PEM, or the file that holds it, which signs the cards
    push_allowed: str = ""  # PUSH_ALLOWED: hosts that push notifications may go to although they are private, separated by commas
    insecure: bool = False  # INSECURE: off this machine although anybody can call everything

    def __repr__(self) -> str:  # it ends up in tracebacks and logs
        return _shown(self)


class Settings(msgspec.Struct, frozen=True):
    """What the environment says. Every field's variable is named beside it."""

    nats_url: str | None = None  # BUSAGENTS_NATS_URL
    nats_user: str | None = None  # BUSAGENTS_NATS_USER
    nats_password: str | None = None  # BUSAGENTS_NATS_PASSWORD
    data_dir: Path = Path(".busagents")  # BUSAGENTS_DATA_DIR
    replicas: int = 1  # BUSAGENTS_REPLICAS: copies of each stream on a cluster
    model: str | None = None  # BUSAGENTS_MODEL: default for agents that name none
    openai_api_key: str | None = None  # OPENAI_API_KEY
    openai_base_url: str | None = None  # OPENAI_BASE_URL
    ack_wait: float = 10.0  # BUSAGENTS_ACK_WAIT: seconds until a silent process loses what it holds
    always_replay: bool = False  # BUSAGENTS_ALWAYS_REPLAY: rebuild and compare the state after each append
    failpoints: str = ""  # BUSAGENTS_FAILPOINTS: see busagents.runtime.failpoints
    clock_offset: float = 0.0  # BUSAGENTS_CLOCK_OFFSET: seconds added to the wall clock, for tests of skew
    workspace: Path = Path("workspace")  # BUSAGENTS_WORKSPACE: the folder file tools may touch
    log_level: str = "INFO"  # BUSAGENTS_LOG_LEVEL
    gateway: GatewaySettings = GatewaySettings()

    def __repr__(self) -> str:  # it ends up in tracebacks and logs
        return _shown(self)


_SECRET = frozenset({"keys", "nats_password", "openai_api_key", "signing_key", "tls_key_password"})


def _shown(settings: msgspec.Struct) -> str:
    values = {name: getattr(settings, name) for name in settings.__struct_fields__}
    shown = (f"{name}={'…' if value and name in _SECRET else repr(value)}" for name, value in values.items())
    return f"{type(settings).__name__}({', '.join(shown)})"


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    raw = env.get(name)
    if raw is None or raw == "":
        return default
    try:
        return float(raw)
    except ValueError:
        raise ConfigError(f"{name}={raw!r} is not a number: set it to a number such as {default:g}, or unset it") from None


def load_settings(env: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `env` (default: the process environment).

    Raises:
        ConfigError: a variable has a value that cannot be understood.
    """
    env = os.environ if env is None else env
    return Settings(
        nats_url=env.get("BUSAGENTS_NATS_URL") or None,
        nats_user=env.get("BUSAGENTS_NATS_USER") or None,
        nats_password=env.get("BUSAGENTS_NATS_PASSWORD") or None,
        data_dir=Path(env.get("BUSAGENTS_DATA_DIR") or ".busagents"),
        replicas=int(_number(env, "BUSAGENTS_REPLICAS", 1)),
        model=env.get("BUSAGENTS_MODEL") or None,
        openai_api_key=env.get("OPENAI_API_KEY") or None,
        openai_base_url=env.get("OPENAI_BASE_URL") or None,
        ack_wait=_number(env, "BUSAGENTS_ACK_WAIT", 10.0),
        always_replay=env.get("BUSAGENTS_ALWAYS_REPLAY", "") not in ("", "0"),
        failpoints=env.get("BUSAGENTS_FAILPOINTS", ""),
        clock_offset=_number(env, "BUSAGENTS_CLOCK_OFFSET", 0.0),
        workspace=Path(env.get("BUSAGENTS_WORKSPACE") or "workspace"),
        log_level=env.get("BUSAGENTS_LOG_LEVEL", "INFO").upper(),
        gateway=_gateway(env),
    )


def _gateway(env: Mapping[str, str]) -> GatewaySettings:
    def text(name: str) -> str:
        return env.get(f"BUSAGENTS_GATEWAY_{name}") or ""

    port = _number(env, "BUSAGENTS_GATEWAY_PORT", 0)
    if not (0 <= port < 65536 and port == int(port)):
        raise ConfigError(f"BUSAGENTS_GATEWAY_PORT={port:g} is no port: set it to 0 (any free one) to 65535, or unset it")
    return GatewaySettings(
        host=text("HOST") or None,
        port=int(port) if text("PORT") else None,
        public_url=text("PUBLIC_URL"),
        keys=text("KEYS"),
        jwks_url=text("JWKS_URL"),
        issuer=text("ISSUER"),
        audience=text("AUDIENCE"),
        scope=text("SCOPE"),
        algorithms=text("ALGORITHMS") or "RS256,ES256",
        allowed_hosts=text("ALLOWED_HOSTS"),
        allowed_origins=text("ALLOWED_ORIGINS"),
        tls_certificate=text("TLS_CERTIFICATE"),
        tls_key=text("TLS_KEY"),
        tls_key_password=text("TLS_KEY_PASSWORD"),
        signing_key=text("SIGNING_KEY"),
        push_allowed=text("PUSH_ALLOWED"),
        insecure=text("INSECURE") not in ("", "0"),
    )


def wants_colour(env: Mapping[str, str] | None = None) -> bool:
    """Whether a terminal may be given colours: not with NO_COLOR (https://no-color.org), and not if it is a dumb one."""
    env = os.environ if env is None else env
    return not env.get("NO_COLOR") and env.get("TERM") != "dumb"


def a2a_credentials(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that hold credentials of remote agents: BUSAGENTS_A2A_<NAME>_TOKEN and _API_KEY."""
    env = os.environ if env is None else env
    return {name: value for name, value in env.items() if name.startswith("BUSAGENTS_A2A_")}
