"""Push notifications of a gateway that is killed: none is lost."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import httpx

from tests.support.http_server import serving
from tests.support.running_system import PATIENCE, running, write_services

AGENT = """
import asyncio, pathlib
from busagents import agent

@agent("gated")
async def gated(task):
    while not pathlib.Path("go").exists():
        await asyncio.sleep(0.02)
    return task.text
"""
GATEWAY = "from busagents.domain.gateway import Gateway\ngateway = Gateway()\n"


class Receiver:
    """Takes what is posted, once it is `open`."""

    def __init__(self) -> None:
        self.open = False
        self.tried = asyncio.Event()
        self.over = asyncio.Event()
        self.taken: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        if self.open:
            self.taken.append(json.loads(body))
            if "COMPLETED" in str(self.taken[-1]):
                self.over.set()
        await send({"type": "http.response.start", "status": 204 if self.open else 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        self.tried.set()


async def test_a_gateway_killed_while_a_receiver_is_down_loses_no_notification(tmp_path: Path) -> None:
    write_services(tmp_path, gated=AGENT, gateway=GATEWAY)
    receiver = Receiver()
    environment = {"BUSAGENTS_GATEWAY_PORT": "0", "BUSAGENTS_GATEWAY_PUSH_ALLOWED": "127.0.0.1", "BUSAGENTS_ACK_WAIT": "2"}
    async with serving(receiver, lifespan="off") as hook, running(tmp_path, **environment) as system:
        base = re.findall(r"serves A2A at (\S+)", system.said)[-1]
        push = {"url": f"{hook}/?key=k3y", "token": "t", "authentication": {"scheme": "Bearer", "credentials": "s3cret"}}
        body = {
            "message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]},
            "configuration": {"returnImmediately": True, "taskPushNotificationConfig": push},
        }
        async with httpx.AsyncClient(timeout=30, headers={"A2A-Version": "1.0"}) as http:
            sent = await http.post(f"{base}/agents/gated/message:send", json=body)
            task = sent.json()["task"]
            shown = (await http.get(f"{base}/agents/gated/tasks/{task['id']}/pushNotificationConfigs")).text
            private = {**body, "configuration": {"taskPushNotificationConfig": {"url": "http://10.0.0.1/"}}}
            refused = await http.post(f"{base}/agents/gated/message:send", json=private)
        assert "s3cret" not in shown
        assert refused.status_code == 400
        async with asyncio.timeout(PATIENCE):
            await receiver.tried.wait()
            row = await system.row("gateway")
            os.kill(row["pid"], signal.SIGKILL)
            await system.until("gateway", lambda now: now["pid"] not in (None, row["pid"]) and now["state"] == "ready")
            (tmp_path / "go").touch()
            receiver.open = True
            await receiver.over.wait()
        kinds = [next(iter(item)) for item in receiver.taken]
        assert kinds == ["task", "statusUpdate", "artifactUpdate", "statusUpdate"]
        assert not any(word in system.said for word in ("s3cret", "k3y"))
