"""The warm parent: a process that has imported the heavy modules and forks one child per request.

A fork of it is running user code a few milliseconds later and shares its memory, where a new interpreter would need
half a second and its own copy. It must stay single-threaded, imports no user code, and dies with the supervisor;
its children die with it. It runs as `python -m busagents.runtime.supervisor.zygote SOCKET_FD MODULE…`.

Packets on the socket (SOCK_SEQPACKET, one JSON object each):

    →  {"op": "spawn", "id": 1, "name": …, "target": "module:function", "payload": {…}}  with two descriptors:
       where stdout and stderr go, and the status pipe
    →  {"op": "signal", "pid": 12, "signal": 15}
    ←  {"ready": true} · {"id": 1, "pid": 12} · {"pid": 12, "status": -9}     (status: exit code, or minus the signal)
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any

from busagents.runtime.supervisor.prctl import die_with_parent, set_process_name

PACKET_BYTES = 128 * 1024


class _Zygote:
    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._children: set[int] = set()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        os.set_blocking(self._wake_read, False)

    def run(self) -> None:
        """Serve until the supervisor closes its end."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler is needed for the wake-up byte
        self._send({"ready": True})
        poller = select.poll()
        poller.register(self._channel, select.POLLIN)
        poller.register(self._wake_read, select.POLLIN)
        while True:
            for fd, _ in poller.poll():
                if fd == self._wake_read:
                    os.read(self._wake_read, 4096)
                    self._reap()
                    continue
                packet, fds, _, _ = socket.recv_fds(self._channel, PACKET_BYTES, 2)
                if not packet:
                    return
                self._handle(json.loads(packet), fds)

    def _handle(self, request: dict[str, Any], fds: list[int]) -> None:
        if request["op"] == "spawn":
            self._spawn(request, fds)
        elif request["pid"] in self._children:  # not yet reaped, so the number is still its own
            os.kill(request["pid"], request["signal"])

    def _spawn(self, request: dict[str, Any], fds: list[int]) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _run_child(request, fds, parent, close=[self._channel.fileno(), self._wake_read, self._wake_write])
        for fd in fds:
            os.close(fd)
        self._children.add(pid)
        self._send({"id": request["id"], "pid": pid})

    def _reap(self) -> None:
        while self._children:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            pid = ended.si_pid
            # Before the pid is free again: end what the child itself had started and left behind in its session.
            _kill_group(pid)
            _, status = os.waitpid(pid, 0)
            self._children.discard(pid)
            self._send({"pid": pid, "status": os.waitstatus_to_exitcode(status)})

    def _send(self, packet: dict[str, Any]) -> None:
        self._channel.send(json.dumps(packet).encode())


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody left, or only the ended leader
        os.killpg(pid, signal.SIGKILL)


def _run_child(request: dict[str, Any], fds: list[int], parent: int, *, close: list[int]) -> None:
    """What the fork does: become a process of its own, call the target, end. Does not return."""
    status = 1
    try:
        die_with_parent(parent)
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for fd in close:
            os.close(fd)
        output, status_fd = fds
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        set_process_name(request["name"])
        gc.enable()
        module, _, function = request["target"].partition(":")
        getattr(importlib.import_module(module), function)(request["payload"], status_fd)
        status = 0
    except SystemExit as exit_request:
        status = exit_request.code if isinstance(exit_request.code, int) else int(exit_request.code is not None)
    except BaseException:  # noqa: BLE001 - whatever it is ends this process; it must not climb into the zygote's loop
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)


def main() -> None:
    """Import the modules named on the command line, then serve."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(channel.fileno(), False)
    gc.disable()  # no collection, no garbage marks in pages that the children share
    for module in sys.argv[2:]:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    set_process_name("busagents-warm")
    _Zygote(channel).run()


if __name__ == "__main__":
    main()
