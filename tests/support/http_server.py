"""An ASGI application behind a real server, on a port of its own, in the test's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import uvicorn


class HttpServer(uvicorn.Server):
    """Takes no signals: the test's process keeps its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Nothing is captured."""
        yield


@contextlib.asynccontextmanager
async def serving(app: Any, **settings: Any) -> AsyncIterator[str]:
    """The base URL of `app` while it is served. `settings` are uvicorn's."""
    # With its protocol told, asyncio sets TCP_NODELAY on what it accepts; without, each answer waits 40 ms for the caller's ack.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2, **settings)
    server = HttpServer(config)
    served = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            assert not served.done(), served.result()
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await served
        listener.close()
