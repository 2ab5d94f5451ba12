"""Puts one participant's process together: definition, model, bus, worker."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from busagents.adapters.jetstream.bus import connect_bus
from busagents.adapters.jetstream.provision import provision
from busagents.bootstrap.models import resolve_model
from busagents.domain.agent import Agent
from busagents.domain.agent_decider import AgentPolicy, ToolPolicy
from busagents.domain.function import Function
from busagents.domain.function_decider import FunctionPolicy
from busagents.domain.subjects import ThreadRef
from busagents.errors import BusAgentsError, ConfigError
from busagents.runtime import failpoints
from busagents.runtime.clock import SystemClock
from busagents.runtime.effects import AgentPerformer, Delta, FunctionPerformer
from busagents.runtime.journal import Journal
from busagents.runtime.live_feed import LiveFeed
from busagents.runtime.status import StatusWriter
from busagents.runtime.worker import Worker
from busagents.settings import load_settings

Definition = Agent | Function


def load_definitions(reference: str) -> list[Definition]:
    """The participants a file, folder or `module:name` declares, in order.

    Raises:
        ConfigError: nothing there, or it cannot be imported; the text names the file and the reason.
    """
    target, _, wanted = reference.partition(":")
    path = Path(target)
    if path.is_dir():
        return [
            item for file in sorted(path.glob("*.py")) if not file.name.startswith("_") for item in load_definitions(str(file))
        ]
    try:
        module = _from_file(path) if path.suffix == ".py" else importlib.import_module(target)
    except Exception as error:  # a user's module may raise anything when it is imported
        raise ConfigError(
            f"{target} cannot be imported ({type(error).__name__}: {error}): fix it, or leave it out with --only"
        ) from None
    found = [value for value in vars(module).values() if isinstance(value, Agent | Function)]
    named = [value for value in found if not wanted or value.name == wanted]
    if not named:
        raise ConfigError(f'{reference} declares no participant{f" {wanted!r}" if wanted else ""}: declare one, `x = Agent("x")`')
    return named


def _from_file(path: Path) -> Any:
    if not path.exists():
        raise FileNotFoundError(f"no such file: {path}")
    spec = importlib.util.spec_from_file_location(f"busagents_service_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


async def run_participant(
    definition: Definition, url: str, *, status_fd: int | None = None, stop: asyncio.Event | None = None
) -> None:
    """Run one participant until SIGTERM or SIGINT (or `stop`). Raises BusUnreachable, StreamRefused, ModelUnavailable."""
    settings = load_settings()
    failpoints.arm(settings.failpoints)
    clock = SystemClock(settings.clock_offset)
    bus = await connect_bus(
        url,
        user=settings.nats_user,
        password=settings.nats_password,
        name=definition.name,
        replicas=settings.replicas,
        ack_wait=settings.ack_wait,
    )
    await provision(bus.client, replicas=settings.replicas)
    feed = LiveFeed(bus)

    def show(ref: ThreadRef, delta: Delta) -> None:
        feed.add(ref, delta)

    owner = f"{os.uname().nodename}-{os.getpid()}-{clock.new_id()[-6:]}"
    policy: AgentPolicy | FunctionPolicy
    performer: AgentPerformer | FunctionPerformer
    name = ""
    if isinstance(definition, Agent):
        model = resolve_model(definition.model, settings)
        name = model.name
        tools = {tool.name: ToolPolicy(tool.recovery, tool.sequential) for tool in definition.tools.values()}
        policy = AgentPolicy(
            owner,
            definition.definition_hash(name),
            name,
            definition.limits,
            definition.settings,
            tools,
            definition.tool_concurrency,
        )
        performer = AgentPerformer(definition, model, show)
    else:
        policy = FunctionPolicy(owner, definition.definition_hash, definition.limits)
        performer = FunctionPerformer(definition, show)
    status = StatusWriter(status_fd)
    journal = Journal(bus, clock, always_replay=settings.always_replay)
    worker = Worker(
        bus,
        clock,
        journal,
        definition.name,
        policy,
        performer,
        model=name,
        slots=definition.max_parallel_tasks,
        heartbeat=settings.ack_wait / 3,
        status=status,
    )
    stop = stop or asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await bus.register(
        definition.name,
        description=definition.description,
        version="0.1.0",
        metadata={"model": name, "kind": "agent" if isinstance(definition, Agent) else "function"},
    )
    await worker.run(status.ready, stop)
    await bus.close()


def main(payload: dict[str, Any], status_fd: int | None = None) -> None:
    """The process a supervisor starts: payload has `ref` and `nats_url`. Exits 1 with one line when it cannot start."""
    logging.basicConfig(level=load_settings().log_level, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        asyncio.run(run_participant(load_definitions(payload["ref"])[0], payload["nats_url"], status_fd=status_fd))
    except BusAgentsError as error:
        StatusWriter(status_fd).failed(str(error))
        print(f"busagents: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
