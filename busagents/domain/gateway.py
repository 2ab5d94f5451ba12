"""The gateway as a definition: who on the bus can be called over HTTP, where, and by whom. It takes no tasks itself."""

from __future__ import annotations

from collections.abc import Sequence

from busagents.domain.participant import Participant, at_least_one, check_participant
from busagents.errors import DefinitionError

DEFAULT_PORT = 8420


class Gateway:
    """A2A over HTTP for the participants of a bus. `busagents up` runs it like a participant, in a process of its own.

    It keeps no state, so any number of replicas serve the same tasks. Callers are told apart by keys and tokens, which are
    secrets and therefore come from the environment only: BUSAGENTS_GATEWAY_KEYS, BUSAGENTS_GATEWAY_JWKS_URL.
    BUSAGENTS_GATEWAY_HOST and BUSAGENTS_GATEWAY_PORT win over `host` and `port`.

    Args:
        name: its process's name; no participant can have it.
        host: the address it listens on. Other than this machine's own, it starts only if callers must say who they are.
        port: None: 8420 or the next free one; 0: any free one.
        expose: the participants that can be called, or their names; None: all.
        root: the participant that answers at the root URL, where `/v1` then is A2A 0.3's; plain HTTP stays below `/api/v1`.
            "": none, unless there is only one.
        title, description: what the card of the whole says.
        public_url: where callers reach it if not at the host they name, for example behind a proxy.
        allowed_hosts: host names it is reached by. None: those of this machine, and any if callers must say who they are.
        allowed_origins: web pages that may call it, such as `https://app.example`.
        rate: requests per second of one caller; 0: no limit. `burst`: at once after a pause; 0: two seconds' worth. Each process
            counts by itself.
        open_calls: requests and streams of one caller open at once.
        max_body: bytes of a request.
        grace: seconds that open requests may take when it is stopped; streams end at once, for callers resume them elsewhere.
        tls_certificate, tls_key: files in PEM; then it speaks HTTPS.
        insecure: off this machine although anybody can call everything.
        replicas: processes that `busagents up` starts; more than one share a port, which must be named.

    Raises:
        InvalidName, DefinitionError: a declaration that cannot work.
    """

    def __init__(
        self,
        name: str = "gateway",
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        expose: Sequence[Participant | str] | None = None,
        root: Participant | str = "",
        title: str = "busagents",
        description: str = "",
        public_url: str = "",
        allowed_hosts: Sequence[str] | None = None,
        allowed_origins: Sequence[str] = (),
        rate: float = 0.0,
        burst: int = 0,
        open_calls: int = 4096,
        max_body: int = 10 * 1024 * 1024,
        grace: float = 5.0,
        tls_certificate: str = "",
        tls_key: str = "",
        insecure: bool = False,
        replicas: int = 1,
    ) -> None:
        self.name = check_participant(name)
        self.host = host
        self.port = port
        self.expose = None if expose is None else tuple(_name(item) for item in expose)
        self.root = _name(root) if root else ""
        self.title = title
        self.about = description
        self.public_url = public_url
        self.allowed_hosts = None if allowed_hosts is None else tuple(allowed_hosts)
        self.allowed_origins = tuple(allowed_origins)
        self.rate = rate
        self.burst = burst
        self.open_calls = at_least_one("open_calls", open_calls, name)
        self.max_body = at_least_one("max_body", max_body, name)
        self.grace = grace
        self.tls_certificate = tls_certificate
        self.tls_key = tls_key
        self.insecure = insecure
        self.replicas = at_least_one("replicas", replicas, name)
        self._check()

    @property
    def description(self) -> str:
        """What lists of what runs say about it."""
        return self.about or "Serves the participants of the bus over HTTP, by the A2A protocol."

    def _check(self) -> None:
        if self.port is not None and not 0 <= self.port < 65536:
            raise DefinitionError(f"{self.name!r}: port={self.port} is no port: use 0 to 65535, or None")
        if self.replicas > 1 and not self.port:
            raise DefinitionError(f"{self.name!r}: {self.replicas} replicas share one port: name it with port=, for example 8420")
        if self.rate < 0 or self.burst < 0 or self.grace < 0:
            raise DefinitionError(f"{self.name!r}: rate, burst and grace cannot be negative: use 0 for no limit")
        if bool(self.tls_key) != bool(self.tls_certificate):
            raise DefinitionError(f"{self.name!r}: TLS needs both tls_certificate= and tls_key=")
        if self.expose is not None and self.root and self.root not in self.expose:
            raise DefinitionError(f"{self.name!r}: root={self.root!r} is not exposed: add it to expose=")

    def __repr__(self) -> str:
        return f"Gateway({self.name!r})"


def _name(item: Participant | str) -> str:
    return check_participant(item if isinstance(item, str) else item.name)
