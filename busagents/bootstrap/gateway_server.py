"""The HTTP server of a gateway: its socket, uvicorn around the application, and the way down."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from busagents.bootstrap.gateway_options import GatewayOptions
from busagents.domain.gateway import DEFAULT_PORT
from busagents.errors import ConfigError, PortBusy
from busagents.gateway.guards import Guards

_PORTS_TRIED = 50
_FREED = 3.0  # seconds: the process before this one may still hold the port
_KEEP_ALIVE = 75  # seconds an idle connection stays open; longer than proxies wait
_CLOSE = 2  # seconds for connections to close once their answers have ended


class GatewayServer(uvicorn.Server):
    """uvicorn with our own signals and our own socket."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's affair: draining comes before the end."""
        yield


async def bound_socket(options: GatewayOptions, *, shared: bool) -> socket.socket:
    """A socket that listens nowhere yet. `shared` with other replicas.

    Raises:
        PortBusy: the port was named and stays taken, or none of fifty is free.
        ConfigError: the address is none of this machine's.
    """
    if options.port is None:
        for port in range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED):
            with contextlib.suppress(PortBusy):
                return _bind(options.host, port, shared=False)
        raise PortBusy(f"ports {DEFAULT_PORT} to {port} are taken: name a free one with BUSAGENTS_GATEWAY_PORT")
    deadline = asyncio.get_running_loop().time() + _FREED
    while True:
        try:
            return _bind(options.host, options.port, shared=shared)
        except PortBusy:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.1)


def _bind(host: str, port: int, *, shared: bool) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise ConfigError(f"the gateway cannot listen on {host!r} ({error.strerror}): set BUSAGENTS_GATEWAY_HOST") from None
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
        bound.listen(2048)  # here, so that a taken port is noticed here
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise PortBusy(
                f"port {port} is taken by another process: end it, or name another port with BUSAGENTS_GATEWAY_PORT (0: any free one)"
            ) from None
        raise ConfigError(f"the gateway cannot listen on {host}:{port} ({error.strerror}): set BUSAGENTS_GATEWAY_HOST") from None
    bound.setblocking(False)
    return bound


def address_of(bound: socket.socket, options: GatewayOptions) -> str:
    """The URL of a socket."""
    host, port = bound.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if options.tls_certificate else 'http'}://{name}:{port}"


def make_server(guards: Guards, options: GatewayOptions, key_password: str) -> GatewayServer:
    """The server of a guarded application.

    Raises:
        ConfigError: a file of the TLS options cannot be used.
    """
    for file in (options.tls_certificate, options.tls_key):
        if file and not Path(file).is_file():
            raise ConfigError(f"the TLS file {file!r} is not there: set tls_certificate= and tls_key= to PEM files")
    config = uvicorn.Config(
        guards,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_CLOSE,
        ssl_certfile=options.tls_certificate or None,
        ssl_keyfile=options.tls_key or None,
        ssl_keyfile_password=key_password or None,
    )
    for name in ("uvicorn.error", "httpx"):  # httpx would log the URLs of notifications, which may hold secrets
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"the TLS files cannot be used ({error}): check that certificate, key and password fit") from error
    return GatewayServer(config)


async def serve(server: GatewayServer, bound: socket.socket, guards: Guards, stop: asyncio.Event, grace: float) -> None:
    """Serve until `stop`; then drain, close every connection and return."""
    serving = asyncio.ensure_future(server.serve([bound]))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not serving.done():
        await guards.drain(grace)
        server.should_exit = True
    await serving
    await guards.close()
