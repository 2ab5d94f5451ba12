"""Which bus a command or a Python client talks to: the one it names, the one that runs here, or the one of the environment."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from busagents.errors import BusUnreachable
from busagents.runtime.supervisor.run_file import RunInfo, read_run
from busagents.settings import Settings, load_settings


class Connection(msgspec.Struct, frozen=True):
    """Where a NATS server is and who we are there."""

    url: str
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:  # a traceback or a log line must not show the password
        return f"Connection(url={without_userinfo(self.url)!r}, user={self.user!r}, password=***)"


def find_run(data_dir: Path | None, settings: Settings) -> RunInfo | None:
    """The running `busagents up` of `data_dir`; without one, of the settings' data folder here or in a folder above."""
    if data_dir is not None or settings.data_dir.is_absolute():
        return read_run(data_dir or settings.data_dir)
    here = Path.cwd()
    for folder in (here, *here.parents):
        running = read_run(folder / settings.data_dir)
        if running is not None:
            return running
    return None


def find_connection(nats: str | None = None, data_dir: Path | None = None) -> Connection:
    """The address and credentials to use, in this order: the URL `nats`; the `busagents up` that runs on `data_dir`, or
    on `.busagents` here or in a folder above; BUSAGENTS_NATS_URL.

    With a URL, the credentials are those of BUSAGENTS_NATS_USER and BUSAGENTS_NATS_PASSWORD, if set. Nothing is
    connected yet.

    Raises:
        BusUnreachable: none of them is there.
    """
    settings = load_settings()
    if nats is not None:
        return Connection(nats, settings.nats_user, settings.nats_password)
    running = find_run(data_dir, settings)
    if running is not None:
        return Connection(running.nats_url, running.nats_user, running.nats_password)
    if data_dir is None and settings.nats_url is not None:
        return Connection(settings.nats_url, settings.nats_user, settings.nats_password)
    where = f"on {data_dir}" if data_dir is not None else f"here (no live {settings.data_dir}/run.json in this folder or above)"
    raise BusUnreachable(f"`busagents up` does not run {where}: start it, or name a server with --nats URL or BUSAGENTS_NATS_URL")


def without_userinfo(url: str) -> str:
    """The URL with its user and password, if any, as ***: fit for people's eyes and logs."""
    return re.sub(r"//[^@/]*@", "//***@", url)
