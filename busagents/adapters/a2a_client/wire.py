"""The operations of A2A as requests, for each version and binding, and their answers out of the responses."""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import quote

from busagents.adapters.a2a_client import failures
from busagents.adapters.a2a_client.card import Interface
from busagents.adapters.a2a_client.http import Request
from busagents.adapters.a2a_client.writing import Shape, write_send
from busagents.ports.remote import Outbound, RemoteInvalid, RemoteUnsupported

SEND_PATIENCE = 600.0  # seconds: some remotes answer only when the work is done
STREAM_PATIENCE = 90.0  # seconds without an event, after which the task is looked at
_LISTED = 100
_HISTORY = 20

_METHODS = {
    "1.0": {
        "send": "SendMessage",
        "stream": "SendStreamingMessage",
        "get": "GetTask",
        "list": "ListTasks",
        "cancel": "CancelTask",
        "subscribe": "SubscribeToTask",
    },
    "0.3": {
        "send": "message/send",
        "stream": "message/stream",
        "get": "tasks/get",
        "cancel": "tasks/cancel",
        "subscribe": "tasks/resubscribe",
    },
}


class Wire:
    """How to speak to one interface of a card."""

    def __init__(self, interface: Interface) -> None:
        self.interface = interface
        self._rpc = interface.binding == "JSONRPC"
        self._shape: Shape = "1.0" if interface.version == "1.0" else "0.3" if self._rpc else "0.3 rest"
        self._ids = itertools.count(1)

    @property
    def lists(self) -> bool:
        """Whether there is an operation to list tasks."""
        return self.interface.version == "1.0"

    def send(self, outbound: Outbound, *, wait: bool) -> Request:
        """Send a message."""
        return self._sent("send", "/message:send", outbound, wait, SEND_PATIENCE)

    def stream(self, outbound: Outbound) -> Request:
        """Send a message and watch."""
        return self._sent("stream", "/message:stream", outbound, True, SEND_PATIENCE)

    def get(self, task: str) -> Request:
        """A task as it stands."""
        query = f"?historyLength={_HISTORY}"
        return self._about("get", "GET", f"/tasks/{_part(task)}{query}", {"id": task, "historyLength": _HISTORY})

    def cancel(self, task: str) -> Request:
        """End a task."""
        return self._about("cancel", "POST", f"/tasks/{_part(task)}:cancel", {"id": task}, patience=5.0)

    def subscribe(self, task: str) -> Request:
        """Watch a task."""
        method = "POST" if self.interface.version == "1.0" else "GET"
        return self._about(
            "subscribe", method, f"/tasks/{_part(task)}:subscribe", {"id": task}, patience=STREAM_PATIENCE, empty_body=True
        )

    def list(self, context: str) -> Request:
        """The tasks of a context.

        Raises:
            RemoteUnsupported: 0.3 has no such operation.
        """
        if not self.lists:
            raise RemoteUnsupported("A2A 0.3 cannot list tasks")
        asked = {"contextId": context, "pageSize": _LISTED, "historyLength": _HISTORY}
        query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in asked.items())
        return self._about("list", "GET", f"/tasks?{query}", asked, task=False)

    def result(self, response: Any) -> Any:
        """What a response holds.

        Raises:
            RemoteError: it is an error.
        """
        if not isinstance(response, dict):
            raise RemoteInvalid(f"the remote agent answered with {type(response).__name__}, not an object")
        if response.get("error") is not None:
            raise failures.of_error_object(response["error"])
        if not self._rpc:
            return response
        if "result" not in response:
            raise RemoteInvalid("the remote agent's JSON-RPC response has neither result nor error")
        return response["result"]

    def _sent(self, operation: str, path: str, outbound: Outbound, wait: bool, patience: float) -> Request:
        body = write_send(self._shape, outbound, wait=wait, tenant=self.interface.tenant if self._rpc else "")
        request = self._about(operation, "POST", path, body, task=bool(outbound.task), patience=patience, body=body)
        return Request(
            request.method,
            request.url,
            request.body,
            {**request.headers, "Idempotency-Key": outbound.id},
            request.task,
            patience,
        )

    def _about(
        self,
        operation: str,
        method: str,
        path: str,
        params: dict[str, Any],
        *,
        task: bool = True,
        patience: float = 30.0,
        body: Any = None,
        empty_body: bool = False,
    ) -> Request:
        headers: dict[str, str] = {"A2A-Version": self.interface.version}
        if self._rpc:
            if self.interface.tenant and "tenant" not in params:
                params = {"tenant": self.interface.tenant, **params}
            call = {
                "jsonrpc": "2.0",
                "id": next(self._ids),
                "method": _METHODS[self.interface.version][operation],
                "params": params,
            }
            return Request("POST", self.interface.url, call, headers, task, patience)
        base = self.interface.url.rstrip("/")
        if self.interface.tenant:
            base += f"/{_part(self.interface.tenant)}"
        if self.interface.version == "0.3" and not base.endswith("/v1"):
            base += "/v1"
        if body is None and method == "POST" and not empty_body:
            body = {}
        return Request(method, base + path, body, headers, task, patience)


def _part(text: str) -> str:
    return quote(text, safe="")
