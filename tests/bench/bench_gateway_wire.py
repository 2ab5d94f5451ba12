"""What the wires alone cost, side by side with a2a-sdk's own default server: `python -m tests.bench.bench_gateway_wire`.

Both serve an agent that echoes, each in a process of its own under the same uvicorn; no bus. Prints one line of JSON: requests per second
of SendMessage at 1, 16 and 64 connections, events per second of streams of 100 pieces, and the ratios. The client is raw sockets in
this process, so that it measures the server more than itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import socket
import time
from typing import Any

import uvicorn

PIECES = 100
PATH = "/agents/echo"


def our_app() -> Any:
    """The wires before an echo over plain dicts."""
    from busagents.gateway.app import make_app
    from tests.gateway.echo_service import EchoService

    class Forgetful(EchoService):
        """Keeps no tasks, as the SDK's store would for the whole run only in memory."""

        def _set(self, task: Any) -> Any:
            self.tasks.clear()
            self.owners.clear()
            self.asked.clear()
            return super()._set(task)

    return make_app(Forgetful())


def sdk_app() -> Any:
    """The SDK's default handler before an executor that echoes."""
    from a2a.helpers.proto_helpers import get_message_text, new_task_from_user_message, new_text_part
    from a2a.server.agent_execution import AgentExecutor
    from a2a.server.request_handlers import DefaultRequestHandler
    from a2a.server.routes import create_jsonrpc_routes
    from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
    from a2a.types import a2a_pb2 as pb
    from starlette.applications import Starlette

    class Echo(AgentExecutor):
        async def execute(self, context: Any, event_queue: Any) -> None:
            task = context.current_task or new_task_from_user_message(context.message)
            await event_queue.enqueue_event(task)
            updater = TaskUpdater(event_queue, task.id, task.context_id)
            word, _, number = get_message_text(context.message).partition(" ")
            if word == "chunks":
                for index in range(int(number)):
                    part = new_text_part(f"piece {index}")
                    await updater.add_artifact([part], artifact_id="answer", append=index > 0)
            else:
                await updater.add_artifact([new_text_part(word)], artifact_id="answer")
            await updater.complete()

        async def cancel(self, context: Any, event_queue: Any) -> None:
            raise NotImplementedError

    interface = pb.AgentInterface(url="http://x", protocol_binding="JSONRPC", protocol_version="1.0")
    skill = pb.AgentSkill(id="echo", name="echo", description="echoes", tags=["echo"])
    modes = {"default_input_modes": ["text/plain"], "default_output_modes": ["text/plain"]}
    able = pb.AgentCapabilities(streaming=True)
    known = {"name": "echo", "description": "echoes", "version": "1"}
    card = pb.AgentCard(**known, **modes, capabilities=able, supported_interfaces=[interface], skills=[skill])
    handler = DefaultRequestHandler(Echo(), InMemoryTaskStore(), card)
    return Starlette(routes=create_jsonrpc_routes(handler, PATH))


APPS = {"ours": our_app, "sdk": sdk_app}


def serve(which: str, listener: socket.socket) -> None:
    """The server's process."""
    uvicorn.Server(uvicorn.Config(APPS[which](), log_level="error", access_log=False)).run(sockets=[listener])


def request(method: str, text: str, number: int) -> bytes:
    """A whole HTTP request."""
    message = {"messageId": f"m{number}", "role": "ROLE_USER", "parts": [{"text": text}]}
    body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": {"message": message}}).encode()
    head = f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\na2a-version: 1.0\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def one_send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> int:
    """One answer."""
    writer.write(request("SendMessage", "hello", number))
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    assert b"TASK_STATE_COMPLETED" in body, body
    return 1


async def one_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> int:
    """The events of one stream."""
    writer.write(request("SendStreamingMessage", f"chunks {PIECES}", number))
    found = 0
    await reader.readuntil(b"\r\n\r\n")
    while size := int(await reader.readline(), 16):
        piece = await reader.readexactly(size + 2)
        found += piece.count(b"data: ")
    await reader.readline()
    assert found >= PIECES + 2, found
    return found


async def rate(port: int, once: Any, connections: int, seconds: float) -> float:
    """How much of what `once` counts is done per second."""
    deadline = time.perf_counter() + seconds
    done = 0

    async def client(first: int) -> None:
        nonlocal done
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        number = first
        while time.perf_counter() < deadline:
            counted = await once(reader, writer, number)
            done += counted
            number += connections
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(index) for index in range(connections)))
    return done / (time.perf_counter() - began)


async def until_served(port: int) -> None:
    """Wait for the first answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await one_send(reader, writer, 0)
    writer.close()


async def measure(seconds: float) -> dict[str, float]:
    """All figures. Rounds of both servers alternate, so that a busy machine slows both."""
    spawn = multiprocessing.get_context("spawn")
    figures: dict[str, float] = {}
    ports, processes = {}, []
    for which in APPS:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        listener.listen(256)
        ports[which] = listener.getsockname()[1]
        processes.append(spawn.Process(target=serve, args=(which, listener), daemon=True))
        processes[-1].start()
        listener.close()
    try:
        for which in APPS:
            await until_served(ports[which])
        for name, once, counts in (("send_rps", one_send, (1, 16, 64)), ("events_per_s", one_stream, (1, 64))):
            for connections in counts:
                for which in APPS:
                    figures[f"{which}_{name}_c{connections}"] = round(await rate(ports[which], once, connections, seconds))
                ours, sdk = (figures[f"{which}_{name}_c{connections}"] for which in APPS)
                figures[f"ratio_{name}_c{connections}"] = round(ours / sdk, 1)
    finally:
        for process in processes:
            process.kill()
            process.join()
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    print(json.dumps(asyncio.run(measure(parser.parse_args().seconds))))


if __name__ == "__main__":
    main()
