"""Puts one participant's process together: definition, model, bus, worker."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from busagents.adapters.jetstream.bus import connect_bus
from busagents.adapters.jetstream.identity import StreamIdentity
from busagents.adapters.jetstream.provision import provision
from busagents.bootstrap.kinds import Definition, Service, kind_name, kind_of
from busagents.bootstrap.services import load_with_parts
from busagents.domain.gateway import Gateway
from busagents.domain.skills import announced, skills_of
from busagents.domain.synadia_facade import SynadiaFacade
from busagents.errors import BusAgentsError, BusError
from busagents.ports.clock import Clock
from busagents.ports.log import Bus
from busagents.runtime import failpoints
from busagents.runtime.clock import SystemClock
from busagents.runtime.journal import Journal
from busagents.runtime.live_feed import LiveFeed
from busagents.runtime.status import StatusWriter
from busagents.runtime.worker import Worker
from busagents.settings import Settings, load_settings


async def run_participant(
    definition: Definition,
    url: str,
    *,
    user: str | None = None,
    password: str | None = None,
    known_stream: StreamIdentity | None = None,
    status_fd: int | None = None,
    stop: asyncio.Event | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Run one participant until SIGTERM or SIGINT (or `stop`). `on_ready` gets its name when it serves its inbox.

    `known_stream` is the identity of the log this system uses: then a log that is gone is not silently made anew.

    Raises:
        BusUnreachable, StreamRefused, LogRegressed, ModelUnavailable: it cannot start.
    """
    settings = load_settings()
    failpoints.arm(settings.failpoints)
    clock = SystemClock(settings.clock_offset)
    bus = await connect_bus(
        url,
        user=user or settings.nats_user,
        password=password or settings.nats_password,
        name=definition.name,
        ack_wait=settings.ack_wait,
    )
    try:
        await provision(bus.client, replicas=settings.replicas, known=known_stream)
        status = StatusWriter(status_fd)
        feed = LiveFeed(bus)
        await feed.open(definition.name)
        worker, model = make_worker(definition, bus, clock, settings, status, feed)
        if stop is None:
            stop = asyncio.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await bus.register(
            definition.name,
            description=definition.description,
            version="0.1.0",
            metadata={"model": model, "kind": kind_name(definition), **announced(skills_of(definition))},
        )

        def ready() -> None:
            status.ready()
            if on_ready is not None:
                on_ready(definition.name)

        await worker.run(ready, stop)
        await feed.close()
        status.flush()
    finally:
        await bus.close()


async def run_together(
    definitions: Sequence[Service],
    url: str,
    *,
    user: str | None = None,
    password: str | None = None,
    known_stream: StreamIdentity | None = None,
    status_fd: int | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Run one or several participants in this process until SIGTERM or SIGINT, each on a connection of its own. `on_ready` gets
    each name once all of them serve their inboxes. Raises as run_participant; if one cannot start, none goes on.
    """
    stop = asyncio.Event()
    ready: set[str] = set()

    def one_is_ready(name: str) -> None:
        ready.add(name)
        if on_ready is not None and len(ready) == len(definitions):
            for definition in definitions:
                on_ready(definition.name)

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    running = [
        asyncio.create_task(
            _run(
                definition,
                url,
                user=user,
                password=password,
                known_stream=known_stream,
                status_fd=status_fd,
                stop=stop,
                on_ready=one_is_ready,
            )
        )
        for definition in definitions
    ]
    for one in running:
        one.add_done_callback(lambda _: stop.set())
    await asyncio.wait(running)
    for one in running:
        one.result()


async def _run(definition: Service, url: str, **how: Any) -> None:
    if isinstance(definition, Gateway):
        from busagents.bootstrap.gateway import run_gateway  # only its process loads an HTTP server

        await run_gateway(definition, url, **how)
    elif isinstance(definition, SynadiaFacade):
        from busagents.bootstrap.synadia import run_facade

        await run_facade(definition, url, **how)
    else:
        await run_participant(definition, url, **how)


def make_worker(
    definition: Definition, bus: Bus, clock: Clock, settings: Settings, status: StatusWriter, feed: LiveFeed
) -> tuple[Worker, str]:
    """The worker of a definition, and the name of its model ("" without one)."""
    owner = f"{os.uname().nodename}-{os.getpid()}-{clock.new_id()[-6:]}"
    kind = kind_of(definition, bus, settings, owner, feed)
    worker = Worker(
        bus,
        clock,
        Journal(bus, clock, always_replay=settings.always_replay),
        definition.name,
        kind.policy,
        kind.performer,
        slots=definition.max_parallel_tasks,
        heartbeat=settings.ack_wait / 3,
        status=status,
    )
    return worker, kind.model


def main(payload: dict[str, Any], status_fd: int | None = None, *, on_ready: Callable[[str], None] | None = None) -> None:
    """The process a supervisor starts: payload has `ref` and `nats_url`, and may have `nats_user`, `nats_password`
    and `stream` (see run_participant). Exits with one line on stderr when it cannot start.

    A bus that is away may come back, so that is an ordinary death; anything else a restart would not mend.
    """
    logging.basicConfig(level=load_settings().log_level, format="%(levelname)s %(message)s", stream=sys.stderr)
    stream = payload.get("stream")
    try:
        asyncio.run(
            run_together(
                load_with_parts(payload["ref"]),
                payload["nats_url"],
                user=payload.get("nats_user"),
                password=payload.get("nats_password"),
                known_stream=StreamIdentity(**stream) if stream else None,
                status_fd=status_fd,
                on_ready=on_ready,
            )
        )
    except BusAgentsError as error:
        if isinstance(error, BusError) or status_fd is None:
            print(f"busagents: {error}", file=sys.stderr)
        else:  # the supervisor prints it
            StatusWriter(status_fd).failed(str(error))
        raise SystemExit(error.exit_code) from None
