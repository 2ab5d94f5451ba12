"""Reach the running `busagents up`, for verbs that ask it something."""

from __future__ import annotations

from pathlib import Path

from busagents.bootstrap.connection import find_run
from busagents.errors import NotFound
from busagents.runtime.supervisor.control import ControlClient
from busagents.settings import load_settings


def data_folder(data_dir: Path | None) -> Path:
    """The data folder in use: the one named, else the settings' one, here or where `busagents up` runs above."""
    if data_dir is not None:
        return data_dir
    settings = load_settings()
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / settings.data_dir).is_dir():
            return folder / settings.data_dir
    return settings.data_dir


def connect_supervisor(data_dir: Path | None) -> ControlClient:
    """A connection to the supervisor of `data_dir`, or of the nearest data folder.

    Raises:
        NotFound: none runs there.
        BusError: it runs and does not answer.
    """
    settings = load_settings()
    running = find_run(data_dir, settings)
    if running is None:
        where = data_dir or settings.data_dir
        raise NotFound(f"`busagents up` does not run on {where}: start it, or name its folder with --data-dir")
    return ControlClient(running.control)
