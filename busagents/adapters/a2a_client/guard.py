"""Which addresses may be called. A URL that came from outside (a card, a webhook) must not lead into the network this runs in.

The name is resolved once, every address it has is checked, and the connection goes to the address that was checked: a name that
is answered differently a moment later leads nowhere else. Host header and TLS name stay those of the URL.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from busagents.ports.remote import RemoteForbidden, RemoteUnreachable

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_CGNAT = ipaddress.ip_network("100.64.0.0/10")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_6TO4 = ipaddress.ip_network("2002::/16")
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


async def system_resolver(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def names_private_host(url: str) -> bool:
    """Whether a URL says by itself that it is in a private network: a private address, localhost, or a name with no dot or a
    suffix that only private networks use. A public name that leads to a private address does not.
    """
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    address = _address(host)
    if address is not None:
        return _kind(address) == "private"
    return "." not in host or host.endswith(_PRIVATE_SUFFIXES)


class UrlGuard:
    """What may be called. `allow_private`: private, loopback and carrier addresses, and http, are allowed. Link-local, multicast
    and reserved ones never are.
    """

    def __init__(self, *, allow_private: bool = False, resolve: Resolve = system_resolver) -> None:
        self.allow_private = allow_private
        self._resolve = resolve

    def check(self, url: str) -> tuple[str, int]:
        """The host and port of a URL that may be asked, as far as can be told without resolving its name.

        Raises:
            RemoteForbidden: it may not.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.scheme not in ("http", "https"):
            raise RemoteForbidden(f"{url[:200]!r} is not called: it is no http(s) address")
        if parts.username is not None or parts.password is not None:
            raise RemoteForbidden(f"the address at {host} is not called: it holds a user or password")
        if parts.scheme == "http" and not self.allow_private:
            raise RemoteForbidden(f"{url[:200]!r} is not called: outside a private network only https is")
        address = _address(host)
        if address is not None:
            self._check_address(host, address)
        return host, port or (443 if parts.scheme == "https" else 80)

    async def pin(self, url: str) -> str:
        """The address to connect to for a URL.

        Raises:
            RemoteForbidden: it may not be called.
            RemoteUnreachable: its name is not known.
        """
        host, port = self.check(url)
        if _address(host) is not None:
            return host
        try:
            addresses = await self._resolve(host, port)
        except OSError as error:
            raise RemoteUnreachable(f"the name {host!r} cannot be resolved ({error}): check the URL and the DNS") from None
        if not addresses:
            raise RemoteUnreachable(f"the name {host!r} has no address")
        for item in addresses:
            address = _address(item)
            if address is None:
                raise RemoteForbidden(f"{host!r} is not called: it resolves to {item!r}")
            self._check_address(host, address)
        return next((item for item in addresses if ":" not in item), addresses[0])

    def _check_address(self, host: str, address: Address) -> None:
        kind = _kind(address)
        if kind == "public" or (kind == "private" and self.allow_private):
            return
        hint = ": declare allow_private=True if it is yours" if kind == "private" else ""
        raise RemoteForbidden(f"{host!r} is not called: {address} is a {kind} address{hint}")


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects where the guard says. Each host has connections of its own: two names at one address do not share TLS."""

    def __init__(self, guard: UrlGuard, **options: Any) -> None:
        self._guard = guard
        self._options = options
        self._by_host: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        host = request.url.host
        pinned = await self._guard.pin(str(request.url))
        transport = self._by_host.get(host)
        if transport is None:
            transport = self._by_host[host] = httpx.AsyncHTTPTransport(**self._options)
        request.headers.setdefault("Host", request.url.netloc.decode())
        extensions = {**request.extensions, "sni_hostname": host}
        sent = httpx.Request(
            request.method,
            request.url.copy_with(host=pinned),
            headers=request.headers,
            stream=request.stream,
            extensions=extensions,
        )
        return await transport.handle_async_request(sent)

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._by_host.values():
            await transport.aclose()


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _kind(address: Address) -> str:
    """public, private (loopback and carrier networks too), or why it is never called."""
    inner = _inside(address)
    if inner is not None:
        return _kind(inner)
    if address.is_unspecified or address.is_multicast:
        return "reserved"
    if address.is_link_local:
        return "link-local"
    if address.is_loopback or (isinstance(address, ipaddress.IPv4Address) and address in _CGNAT):
        return "private"
    if address.is_reserved:
        return "reserved"
    return "public" if address.is_global else "private"


def _inside(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour if address in _6TO4 else None
