"""The control socket: how `ps` and `down` talk to a running `busagents up`. One JSON line asks, one JSON line answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from busagents.errors import BusError

_LONGEST_PATH = 100  # a socket address holds 108 bytes
_ANSWER_TIMEOUT = 5.0

Handler = Callable[[dict[str, Any]], dict[str, Any]]


class ControlServer:
    """Answers requests with `handler`. A connection stays open until the supervisor ends, so a client can wait for that."""

    def __init__(self, data_dir: Path, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._private: str | None = None
        self.path = data_dir.absolute() / "control.sock"
        if len(os.fsencode(self.path)) > _LONGEST_PATH:
            self._private = tempfile.mkdtemp(prefix="busagents-")
            self.path = Path(self._private) / "control.sock"

    async def start(self) -> None:
        """Listen; only the owner may connect."""
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.path))
        self.path.chmod(0o600)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener)

    def close(self) -> None:
        """Stop listening and remove the socket. Open connections end with the process."""
        if self._server is not None:
            self._server.close()
        self.path.unlink(missing_ok=True)
        if self._private is not None:
            shutil.rmtree(self._private, ignore_errors=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled only at the very end, when the loop is closed under clients that wait for just that.
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while line := await reader.readline():
                try:
                    answer = self._handler(json.loads(line))
                except (ValueError, LookupError, TypeError) as error:
                    answer = {"error": f"cannot understand the request: {error}"}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        writer.close()


class ControlClient:
    """A connection to a supervisor's control socket. Blocking: a command-line verb has nothing else to do."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_ANSWER_TIMEOUT)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise BusError(
                f"`busagents up` does not answer at {path} ({error.strerror}): see the output of the process that runs it"
            ) from None
        self._file = self._socket.makefile("rwb")

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, op: str) -> dict[str, Any]:
        """Send a request and return the answer.

        Raises:
            BusError: no answer within 5 s, or the supervisor ended.
        """
        try:
            self._file.write(json.dumps({"op": op}).encode() + b"\n")
            self._file.flush()
            line = self._file.readline()
        except OSError as error:
            raise BusError(f"`busagents up` did not answer {op!r}: {error}; see its output") from None
        if not line:
            raise BusError(f"`busagents up` ended before it answered {op!r}: see its output")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def wait_closed(self, timeout: float) -> bool:
        """Wait until the supervisor has ended, at most `timeout` seconds. True if it has."""
        self._socket.settimeout(timeout)
        try:
            while self._file.readline():
                continue
        except TimeoutError:
            return False
        except OSError:
            return True
        return True
