"""Keeps the nats-server running: a crashed one is started again on the same store and port, and clients reconnect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from busagents.errors import BusAgentsError, CrashLoop
from busagents.runtime.supervisor.nats_server import NatsServer
from busagents.runtime.supervisor.restart_policy import RestartPolicy

LABEL = "nats-server"


class BusKeeper:
    """Watches a started server. `run()` returns only by CrashLoop; cancel it before the server is stopped."""

    def __init__(self, server: NatsServer, *, emit: Callable[[str], None]) -> None:
        self._server = server
        self._emit = emit
        self._policy = RestartPolicy()
        self._policy.started(time.monotonic())
        self.restarts = 0

    def row(self) -> dict[str, Any]:
        """What `ps` shows of the server."""
        pid = self._server.pid
        return {
            "name": LABEL,
            "replica": 0,
            "pid": pid,
            "state": "ready" if pid else "restarting",
            "failure": "",
            "restarts": self.restarts,
            "working_on": [],
        }

    async def run(self) -> None:
        """Restart the server whenever it ends.

        Raises:
            CrashLoop: it ended five times within a minute.
        """
        while True:
            status = await self._server.wait()
            delay = self._policy.crashed(time.monotonic())
            if delay is None:
                raise CrashLoop(f"nats-server ended five times within a minute: see {self._server.log_path}")
            self._emit(f"{LABEL} ended with status {status}: starts again " + (f"in {delay:g} s" if delay else "now"))
            await asyncio.sleep(delay)
            self.restarts += 1
            self._policy.started(time.monotonic())
            try:
                await self._server.start()
            except BusAgentsError as error:
                self._emit(str(error))
