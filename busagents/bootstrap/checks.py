"""What `busagents doctor` looks at: this machine, the data folder, the bus and the keys. Nothing is changed or created."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from busagents.bootstrap.connection import find_connection, find_run, without_userinfo
from busagents.bootstrap.identity import OWN_SERVER, known_stream
from busagents.bootstrap.models import default_model_notice
from busagents.errors import BusAgentsError, BusUnreachable, ServerNotFound
from busagents.runtime.supervisor.nats_config import find_nats_server, store_limit
from busagents.settings import Settings

_OLDEST_PYTHON = (3, 11)


class Check(msgspec.Struct, frozen=True):
    """One finding. `note` is for what is neither right nor wrong."""

    name: str
    result: Literal["ok", "note", "failed"]
    detail: str


async def checks(settings: Settings, data_dir: Path, nats: str | None) -> list[Check]:
    """All findings, in the order in which they should be read."""
    return [
        _python(),
        _nats_server(),
        _data_dir(data_dir),
        _disk(data_dir),
        *await _bus(settings, data_dir, nats),
        *_models(settings),
    ]


def _python() -> Check:
    running = platform.python_version()
    if sys.version_info >= _OLDEST_PYTHON:
        return Check("python", "ok", running)
    return Check("python", "failed", f"{running} is too old: use Python 3.11 or newer")


def _nats_server() -> Check:
    try:
        binary = find_nats_server()
        answer = subprocess.run([str(binary), "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (ServerNotFound, OSError, subprocess.SubprocessError) as error:
        return Check("nats-server", "failed", str(error))
    return Check("nats-server", "ok", f"{answer.stdout.strip().removeprefix('nats-server: ')} ({binary})")


def _data_dir(data_dir: Path) -> Check:
    if not data_dir.exists():
        return Check("data folder", "note", f"{data_dir} does not exist yet; `busagents up` makes it")
    if not os.access(data_dir, os.W_OK | os.X_OK):
        return Check("data folder", "failed", f"{data_dir} is not writable: change its owner, or choose another with --data-dir")
    mode = data_dir.stat().st_mode & 0o077
    if mode:
        return Check(
            "data folder", "note", f"{data_dir} is open to other users of this machine: `chmod 700 {data_dir}` closes it"
        )
    return Check("data folder", "ok", str(data_dir))


def _disk(data_dir: Path) -> Check:
    folder = next(path for path in (data_dir.absolute(), *data_dir.absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    try:
        limit = store_limit(free, 0, folder)
    except ServerNotFound as error:
        return Check("disk", "failed", str(error))
    return Check("disk", "ok", f"{free / 1e9:.1f} GB free; the log may take {limit / 1e9:.1f} GB")


async def _bus(settings: Settings, data_dir: Path, nats: str | None) -> list[Check]:
    from busagents.adapters.jetstream.connection import connect_client
    from busagents.adapters.jetstream.provision import provision

    running = find_run(data_dir, settings)
    try:
        where = find_connection(nats, data_dir if nats is None and running else None)
    except BusUnreachable as error:
        return [Check("bus", "note", str(error))]
    try:
        client = await connect_client(where.url, user=where.user, password=where.password, name="busagents-doctor")
    except BusUnreachable as error:
        return [Check("bus", "failed", str(error))]
    found = [Check("bus", "ok", f"{without_userinfo(where.url)} answers")]
    try:
        own = running is not None and running.nats_url == where.url and running.durability != "external"
        known = known_stream(data_dir, OWN_SERVER if own else where.url)
        if known is None:
            found.append(Check("log", "note", "no `busagents up` with this data folder has used the log there yet"))
        else:
            await provision(client, replicas=settings.replicas, known=known)
            found.append(Check("log", "ok", f"the one created {known.created}; its settings lose nothing"))
        if running is not None and own:
            found.append(_durability(running.durability))
    except BusAgentsError as error:
        found.append(Check("log", "failed", str(error)))
    finally:
        await client.close()
    return found


def _durability(level: str) -> Check:
    if level == "power":
        return Check("durability", "ok", "power: an append is on the disk before it counts")
    return Check("durability", "note", "process: appends survive killed processes; a power loss may cost the last two minutes")


def _models(settings: Settings) -> Iterator[Check]:
    yield Check("default model", "ok", default_model_notice(settings).removeprefix("model "))
    key = "set" if settings.openai_api_key else "not set"
    yield Check("OPENAI_API_KEY", "ok" if settings.openai_api_key else "note", key)
