"""The supervisor's end of the zygote: starts it, asks it for children, hears of their ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

from busagents.errors import BusAgentsError
from busagents.runtime.supervisor.prctl import die_with_parent
from busagents.runtime.supervisor.process import ChildProcess
from busagents.runtime.supervisor.zygote import PACKET_BYTES

_START_TIMEOUT = 60.0
_ENDED_WITH_ZYGOTE = -int(signal.SIGKILL)


class WarmParent:
    """One zygote process with `preload` imported. Start it from the main thread: it dies with that thread.

    If it is killed, its children die with it, and the next spawn() starts another.
    """

    def __init__(self, preload: Sequence[str]) -> None:
        self._preload = preload
        self._process: asyncio.subprocess.Process | None = None
        self._channel: socket.socket | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._starting: dict[int, asyncio.Future[int]] = {}
        self._children: dict[int, ChildProcess] = {}
        self._ended_early: dict[int, int] = {}
        self._next_id = 0
        self._closed = False
        self._start_lock = asyncio.Lock()

    async def start(self) -> None:
        """Start the process and return when its imports are done.

        Raises:
            BusAgentsError: a module cannot be imported; its traceback is on stderr.
        """
        self._ready = asyncio.get_running_loop().create_future()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        parent = os.getpid()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "busagents.runtime.supervisor.zygote",
                str(theirs.fileno()),
                *self._preload,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(parent),
            )
        self._channel = ours
        asyncio.get_running_loop().add_reader(ours, self._receive)
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                await self._ready
        except BaseException:
            await self.close()
            raise

    @property
    def pid(self) -> int | None:
        """The zygote's process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def wait(self) -> int:
        """Wait until the zygote itself ends."""
        return await self._process.wait() if self._process is not None else 0

    async def spawn(self, name: str, target: str, payload: dict[str, Any], *, on_line: Callable[[str], None]) -> ChildProcess:
        """Fork a child that calls `target` ("module:function") with (payload, status_fd).

        Raises:
            BusAgentsError: the zygote was closed, or ended while it forked this child.
        """
        await self._alive(name)
        output_read, output_write = os.pipe()
        status_read, status_write = os.pipe()
        child = ChildProcess(name, output_fd=output_read, status_fd=status_read, on_line=on_line)
        self._next_id += 1
        started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._starting[self._next_id] = started
        request = {"op": "spawn", "id": self._next_id, "name": name, "target": target, "payload": payload}
        try:
            await self._send(request, [output_write, status_write])
        finally:
            os.close(output_write)
            os.close(status_write)
        child.pid = await started
        early = self._ended_early.pop(child.pid, None)
        if early is not None:
            child.end(early)
        else:
            self._children[child.pid] = child
        return child

    async def signal(self, child: ChildProcess, number: signal.Signals) -> None:
        """Send a signal to the child if it has not been reaped yet."""
        if self._channel is not None and not child.exited.done():
            await self._send({"op": "signal", "pid": child.pid, "signal": int(number)}, [])

    async def close(self) -> None:
        """End the zygote, and with it every child that is left."""
        self._closed = True
        self._disconnect()
        if self._process is None:
            return
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()

    async def _alive(self, name: str) -> None:
        """Start the zygote again if it was killed."""
        async with self._start_lock:
            if self._closed:
                raise BusAgentsError(f"cannot start {name}: the supervisor is stopping")
            if self._channel is None:
                await self.wait()
                await self.start()

    async def _send(self, request: dict[str, Any], fds: list[int]) -> None:
        packet = json.dumps(request).encode()
        if len(packet) > PACKET_BYTES:
            raise BusAgentsError(f"the start request of {request.get('name')} has {len(packet)} bytes: {PACKET_BYTES} fit")
        while self._channel is not None:
            try:
                socket.send_fds(self._channel, [packet], fds)
                return
            except BlockingIOError:  # many spawns at once: the zygote reads them as fast as it can fork
                await asyncio.sleep(0.005)
        raise BusAgentsError("the warm parent process has ended; run `busagents up` again")

    def _receive(self) -> None:
        while self._channel is not None:
            try:
                packet = self._channel.recv(PACKET_BYTES)
            except BlockingIOError:
                return
            except ConnectionResetError:
                packet = b""
            if not packet:
                self._disconnect()
                return
            self._handle(json.loads(packet))

    def _handle(self, packet: dict[str, Any]) -> None:
        if "ready" in packet:
            self._ready.set_result(None)
        elif "id" in packet:
            self._starting.pop(packet["id"]).set_result(packet["pid"])
        elif packet["pid"] in self._children:
            self._children.pop(packet["pid"]).end(packet["status"])
        else:  # ended before spawn() woke up
            self._ended_early[packet["pid"]] = packet["status"]

    def _disconnect(self) -> None:
        if self._channel is None:
            return
        asyncio.get_running_loop().remove_reader(self._channel)
        self._channel.close()
        self._channel = None
        error = BusAgentsError("the warm parent process ended; its output above says why")
        if not self._ready.done():
            self._ready.set_exception(error)
        for started in self._starting.values():
            started.set_exception(error)
        self._starting.clear()
        for child in list(self._children.values()):  # they died with it
            child.end(_ENDED_WITH_ZYGOTE)
        self._children.clear()
