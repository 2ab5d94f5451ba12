"""`busagents up`: the bus, then the streams, then every participant in a process of its own; and all of it down again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from busagents.bootstrap.bus_server import DEFAULT_PORT, own_server
from busagents.bootstrap.identity import OWN_SERVER, known_stream, remember_stream
from busagents.bootstrap.launch import BusLink, Launch
from busagents.bootstrap.up_options import SUPERVISOR, Ready, Screen, UpOptions
from busagents.errors import BusAgentsError, CrashLoop, DefinitionError
from busagents.runtime.supervisor.bus_keeper import BusKeeper
from busagents.runtime.supervisor.control import ControlServer
from busagents.runtime.supervisor.discovery import Discovery, discover
from busagents.runtime.supervisor.fleet import Fleet, choose
from busagents.runtime.supervisor.log_file import RotatingLog
from busagents.runtime.supervisor.nats_config import Credentials
from busagents.runtime.supervisor.nats_server import NatsServer
from busagents.runtime.supervisor.replica import Participant, Surroundings
from busagents.runtime.supervisor.run_file import RunInfo, boot_id, hold_data_dir, remove_run, write_run
from busagents.runtime.supervisor.sources import SourceWatch, source_of
from busagents.runtime.supervisor.stop_signals import StopSignals, stop_signals
from busagents.runtime.supervisor.warm_parent import WarmParent

_RELOAD_INTERVAL = 0.5
_KILLED = 130
_CRASH_LOOP = CrashLoop.exit_code


async def up(options: UpOptions, launch: Launch, screen: Screen) -> int:
    """Run until a signal, `down`, or a failure ends it. Returns the exit code: 0, 10 (crash loop), 130 (second signal).

    Raises:
        BusAgentsError: it could not start; everything that had started is stopped again.
    """
    with hold_data_dir(options.data_dir), stop_signals() as signals:
        run = _Run(options, launch, screen, signals)
        life = asyncio.ensure_future(run.life())
        second = asyncio.ensure_future(signals.second.wait())
        await asyncio.wait({life, second}, return_when=asyncio.FIRST_COMPLETED)
        if second.done() and not life.done():
            await run.kill()
            await asyncio.wait({life})
            return _KILLED
        second.cancel()
        return await life


class _Run:
    def __init__(self, options: UpOptions, launch: Launch, screen: Screen, signals: StopSignals) -> None:
        self._options = options
        self._launch = launch
        self._screen = screen
        self._signals = signals
        self._logs: dict[str, RotatingLog] = {}
        self._server: NatsServer | None = None
        self._keeper: BusKeeper | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._warm = WarmParent(launch.preload)
        self._fleet: Fleet | None = None

    async def life(self) -> int:
        """Start, serve, stop; the bus stops last."""
        async with contextlib.AsyncExitStack() as stack:
            starting = asyncio.ensure_future(self._start(stack))
            await _first(starting, asyncio.ensure_future(self._signals.first.wait()))
            await asyncio.wait({starting})
            if starting.cancelled():
                return 0
            fleet, ready = await starting
            self._screen.ready(ready)
            return await self._serve(fleet)

    async def kill(self) -> None:
        """End every process now; what they held is redelivered when they are up again."""
        if self._keeping is not None:
            self._keeping.cancel()
        await self._warm.close()
        if self._server is not None:
            await self._server.kill()

    async def _start(self, stack: contextlib.AsyncExitStack) -> tuple[Fleet, Ready]:
        options = self._options
        stack.callback(self._close_logs)
        stack.callback(remove_run, options.data_dir)  # last but the logs: `ps` and `down` work until the end
        control = ControlServer(options.data_dir, self._answer)
        stack.callback(control.close)
        warm_start = asyncio.ensure_future(self._warm.start())  # imports while the server starts
        stack.push_async_callback(_ended, warm_start)
        url, credentials = await self._start_bus(stack)
        stack.push_async_callback(self._warm.close)
        link = await self._connect(url, credentials)
        stack.push_async_callback(link.close)
        await warm_start
        found = await self._discover()
        chosen = choose(found.participants, only=options.only, scale=options.scale)
        fleet = self._fleet = self._make_fleet(url, credentials, link)
        stack.push_async_callback(fleet.stop)
        fleet.start(chosen)
        await control.start()
        self._write_run(url, credentials, control.path)
        await fleet.settled()
        return fleet, self._describe(url, chosen, found)

    async def _start_bus(self, stack: contextlib.AsyncExitStack) -> tuple[str, Credentials | None]:
        options = self._options
        if options.nats_url is not None:
            user, password = options.nats_user, options.nats_password
            return options.nats_url, Credentials(user, password) if user and password else None
        self._server = server = own_server(
            options.data_dir, durability=options.durability, ephemeral=options.ephemeral, port=options.nats_port
        )
        if options.ephemeral:
            stack.callback(shutil.rmtree, server.data_dir, ignore_errors=True)
        stack.push_async_callback(server.stop)
        await server.start()
        self._keeper = BusKeeper(server, emit=lambda line: self._say(SUPERVISOR, line))
        self._keeping = asyncio.ensure_future(self._keeper.run())
        stack.push_async_callback(_ended, self._keeping)
        return server.url, server.credentials

    async def _connect(self, url: str, credentials: Credentials | None) -> BusLink:
        """Connect, and remember which log it is."""
        data_dir = self._options.data_dir
        server = OWN_SERVER if self._server is not None else url
        known = None if self._options.ephemeral else known_stream(data_dir, server)
        link = await self._launch.connect(url, credentials, known)
        if not self._options.ephemeral:
            remember_stream(data_dir, server, link.stream)
        return link

    async def _discover(self) -> Discovery:
        paths = self._options.paths
        found = await discover(self._warm, self._launch.discover_target, paths, on_line=lambda line: self._say("discover", line))
        if not found.participants:
            why = "; ".join(f"{problem.path}: {problem.message}" for problem in found.errors)
            raise DefinitionError(
                f"no participants in {', '.join(paths)}"
                + (f" ({why})" if why else ": define an Agent at the top level of a file there, or run `busagents init`")
            )
        return found

    def _make_fleet(self, url: str, credentials: Credentials | None, link: BusLink) -> Fleet:
        payload = {
            "nats_url": url,
            "nats_user": credentials.user if credentials else None,
            "nats_password": credentials.password if credentials else None,
            "stream": msgspec.to_builtins(link.stream),
        }
        around = Surroundings(
            self._warm, self._launch.participant_target, payload, link.give_back, emit=self._say, on_line=self._say
        )
        return Fleet(around, shutdown_timeout=self._options.shutdown_timeout)

    async def _serve(self, fleet: Fleet) -> int:
        """Wait for the end; the exit code."""
        watching = [asyncio.ensure_future(self._signals.first.wait())]
        ends = [fleet.gave_up] if self._options.exit_on_failure else []
        if not self._options.reload:  # with --reload a fixed file brings it back
            ends.append(fleet.all_over)
        failed = [asyncio.ensure_future(event.wait()) for event in ends]
        background: list[asyncio.Task[Any]] = [self._keeping] if self._keeping else []
        if self._options.reload:
            reloading = asyncio.ensure_future(self._reload_changes(fleet))
            background.append(reloading)
        done = await _first(*watching, *failed, *background, keep=self._keeping)
        for task in done:
            if task in background:
                task.result()  # the keeper's crash loop, or a defect in reloading
        return 0 if watching[0] in done else _CRASH_LOOP

    async def _reload_changes(self, fleet: Fleet) -> None:
        watch = SourceWatch(self._options.paths)
        while True:
            await asyncio.sleep(_RELOAD_INTERVAL)
            changed = watch.changed()
            if not changed:
                continue
            self._say(SUPERVISOR, "changed: " + ", ".join(sorted(path.name for path in changed)))
            try:
                found = await self._discover()
                chosen = choose(found.participants, only=self._options.only, scale=self._options.scale)
            except BusAgentsError as error:
                self._say(SUPERVISOR, f"not reloaded: {error}")
                continue
            for problem in found.errors:
                self._say(SUPERVISOR, f"{problem.path}: {problem.message}")
            await fleet.reload(chosen, changed, {source_of(problem.path) for problem in found.errors})
            await fleet.settled()
            self._say(SUPERVISOR, "reloaded")

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["op"]:
            case "ps":
                rows = [self._keeper.row()] if self._keeper else []
                return {"items": rows + (self._fleet.rows() if self._fleet else []), "next": None}
            case "down":
                self._signals.first.set()
                return {"stopping": os.getpid()}
            case other:
                return {"error": f"unknown operation {other!r}: known are ps and down"}

    def _describe(self, url: str, chosen: Mapping[Participant, int], found: Discovery) -> Ready:
        assert self._fleet is not None
        states = {replica.participant: replica for replica in reversed(self._fleet.replicas)}
        rows = [
            {
                "name": participant.name,
                "kind": participant.kind,
                "description": participant.description,
                "replicas": count,
                "state": states[participant].state if participant in states else "stopped",
                "failure": states[participant].failure if participant in states else "",
                "at": states[participant].at if participant in states else "",
            }
            for participant, count in chosen.items()
        ]
        return Ready(
            pid=os.getpid(),
            nats_url=url,
            data_dir=str(self._options.data_dir),
            durability=self._durability,
            ephemeral=self._options.ephemeral,
            participants=rows,
            problems=[{"path": problem.path, "message": problem.message} for problem in found.errors],
            default_port_taken=self._server is not None
            and self._options.nats_port is None
            and not url.endswith(f":{DEFAULT_PORT}"),
        )

    @property
    def _durability(self) -> str:
        return self._options.durability if self._server is not None else "external"

    def _write_run(self, url: str, credentials: Credentials | None, control: Path) -> None:
        info = RunInfo(
            pid=os.getpid(),
            boot_id=boot_id(),
            nats_url=url,
            nats_user=credentials.user if credentials else None,
            nats_password=credentials.password if credentials else None,
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            durability=self._durability,
            control=str(control),
        )
        write_run(self._options.data_dir, info)

    def _say(self, label: str, line: str) -> None:
        """A line that a child printed, or one about it: to its log file and to the screen."""
        log = self._logs.get(label)
        if log is None:
            log = self._logs[label] = RotatingLog(self._options.data_dir / "logs" / f"{label}.log")
        log.write(line)
        self._screen.line(label, line)

    def _close_logs(self) -> None:
        for log in self._logs.values():
            log.close()


async def _first(*tasks: asyncio.Task[Any], keep: asyncio.Task[Any] | None = None) -> set[asyncio.Task[Any]]:
    """Wait for the first of the tasks; cancel the others but `keep`."""
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        if task is not keep:
            task.cancel()
    return done


async def _ended(task: asyncio.Task[Any]) -> None:
    """Cancel a background task and wait until it is over. Its error, if any, was raised where it mattered."""
    task.cancel()
    await asyncio.wait({task})
