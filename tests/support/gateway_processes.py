"""Gateways as real processes on one bus, to be killed; and readers of their streams who go on at another one."""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.support.processes import ParticipantProcess, participant

AGENTS = Path(__file__).with_name("gateway_agents.py")
_SERVES = re.compile(r"serves A2A at (\S+)")
VERSION = {"A2A-Version": "1.0"}


class GatewayProcess:
    """A gateway's process. `base` is its URL."""

    def __init__(self, process: ParticipantProcess) -> None:
        self.process = process
        self.base = next(found[1] for line in process.lines if (found := _SERVES.search(line)))

    @property
    def bytes(self) -> int:
        """Its memory: its proportional share of every page (PSS)."""
        [kilobytes] = re.findall(r"^Pss: +(\d+) kB", Path(f"/proc/{self.process.pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(kilobytes) * 1024


@contextlib.asynccontextmanager
async def gateway_process(url: str, *, keys: str = "", env: Mapping[str, str] | None = None) -> AsyncIterator[GatewayProcess]:
    """A gateway on the bus at `url`, on a port of its own. `keys` as in BUSAGENTS_GATEWAY_KEYS."""
    environment = {"BUSAGENTS_GATEWAY_KEYS": keys, "BUSAGENTS_GATEWAY_PORT": "0", **(env or {})}
    async with participant("gateway", url, file=AGENTS, env=environment) as process:
        yield GatewayProcess(process)


@contextlib.asynccontextmanager
async def caller(key: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client with any number of connections."""
    headers = {"X-API-Key": key} if key else {}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(timeout=90, headers=headers, limits=limits) as http:
        yield http


def saying(text: str, **more: Any) -> dict[str, Any]:
    """What is sent: one message."""
    return {"message": {"messageId": f"m-{uuid.uuid4()}", "role": "ROLE_USER", "parts": [{"text": text}], **more}}


async def sent(http: httpx.AsyncClient, base: str, agent: str, text: str, *, key: str = "", **more: Any) -> dict[str, Any]:
    """Send and wait, over HTTP+JSON; the task."""
    headers = {**VERSION, "Idempotency-Key": key} if key else VERSION
    answer = await http.post(f"{base}/agents/{agent}/message:send", json={**saying(text), **more}, headers=headers)
    assert answer.status_code == 200, answer.text
    task: dict[str, Any] = answer.json()["task"]
    return task


class Event:
    """An event of a stream: its `id`, empty if it has none, and the one of task, statusUpdate and artifactUpdate that it is."""

    def __init__(self, place: str, data: str) -> None:
        self.place = place
        item = json.loads(data)
        [(self.name, self.value)] = item["result"].items() if "jsonrpc" in item else item.items()


async def events_of(answer: httpx.Response) -> AsyncIterator[Event]:
    """The events that are whole."""
    place = data = ""
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            place = value
        elif name == "data":
            data = value
        elif not line and data:
            yield Event(place, data)
            place = data = ""


class Reader:
    """A caller who streams a task and, when the connection breaks, goes on behind the last id it has, wherever it is told to.

    `events` is what it got, without the task that each connection but the first begins with; `task` what it knows of the task.
    """

    def __init__(self, http: httpx.AsyncClient, agent: str, text: str, *, binding: str = "HTTP+JSON") -> None:
        self.events: list[Event] = []
        self.task: dict[str, Any] = {}
        self.connections = 0
        self._http = http
        self._agent = agent
        self._body = saying(text)
        self._key = uuid.uuid4().hex
        self._binding = binding

    @property
    def places(self) -> list[str]:
        """The ids it got, in order."""
        return [event.place for event in self.events if event.place]

    @property
    def said(self) -> int:
        """How often the agent said something before its answer."""
        return sum(event.name == "statusUpdate" and "message" in event.value["status"] for event in self.events)

    @property
    def text(self) -> str:
        """What the task made, by what the reader was told."""
        parts = (part for artifact in self.task.get("artifacts", []) for part in artifact["parts"])
        return "".join(part.get("text", "") for part in parts)

    @property
    def state(self) -> str:
        """The task's, by what the reader was told."""
        return str(self.task.get("status", {}).get("state", ""))

    async def read(self, base: str) -> AsyncIterator[Event]:
        """Begin, or go on where the last connection broke, until the stream ends or this one breaks."""
        self.connections += 1
        first = True
        with contextlib.suppress(httpx.TransportError):
            async with self._connection(base) as answer:
                assert answer.status_code == 200, (await answer.aread()).decode()
                async for event in events_of(answer):
                    assert (event.name == "task") == first
                    if first and self.places:
                        assert event.place == self.places[-1]
                    else:
                        self.events.append(event)
                    self._apply(event)
                    first = False
                    yield event

    async def finish(self, base: str) -> None:
        """Go on until the stream ends or breaks."""
        async for _ in self.read(base):
            pass

    def _connection(self, base: str) -> contextlib.AbstractAsyncContextManager[httpx.Response]:
        url, task = f"{base}/agents/{self._agent}", self.task.get("id", "")
        if self.places:
            more = {"Last-Event-ID": self.places[-1]}
            method, path, body = "SubscribeToTask", f"/tasks/{task}:subscribe", {"id": task}
        else:  # nothing came: the same again is the same task
            more = {"Idempotency-Key": self._key}
            method, path, body = "SendStreamingMessage", "/message:stream", self._body
        if self._binding == "JSONRPC":
            path, body = "", {"jsonrpc": "2.0", "id": 1, "method": method, "params": body}
        return self._http.stream("POST", f"{url}{path}", json=body, headers={**VERSION, **more})

    def _apply(self, event: Event) -> None:
        if event.name == "task":
            self.task = event.value
        elif event.name == "statusUpdate":
            self.task["status"] = event.value["status"]
        else:
            artifact = event.value["artifact"]
            kept = [item for item in self.task.get("artifacts", []) if item["artifactId"] != artifact["artifactId"]]
            if event.value.get("append"):
                [before] = [item for item in self.task["artifacts"] if item not in kept]
                artifact = {**artifact, "parts": [*before["parts"], *artifact["parts"]]}
            self.task["artifacts"] = [*kept, artifact]
