"""The tasks below a task, as its session's stream tells of them, and what is worth saying about each event."""

from __future__ import annotations

from busagents.cli.remarks import remark, short
from busagents.domain import events as e
from busagents.runtime.client.session_stream import SessionDelta
from busagents.runtime.client.task_event import TaskEvent


class Tree:
    """Feed it the session's events in their order: it knows which of them are of the task `root` or of one below it."""

    def __init__(self, root: str) -> None:
        self._depth = {root: 0}
        self._told_by_members: set[str] = set()
        self._nodes: set[tuple[str, str]] = set()  # the calls of nodes and members
        self._calls: dict[tuple[str, str], str] = {}  # arguments of calls that were not seen to start
        self._begun: set[tuple[str, int, str]] = set()

    def depth(self, item: TaskEvent | SessionDelta) -> int | None:
        """How far below the root its task is, or None: it is somebody else's. Messages are nobody's: the facts tell of them."""
        if isinstance(item, SessionDelta):
            return self._depth.get(item.delta.task)
        return self._depth.get(item.task) if item.kind == "ev" else None

    def speaks(self, item: TaskEvent | SessionDelta) -> bool:
        """Whether its text is its own. What a swarm or a graph answers was said by somebody below it."""
        task = item.delta.task if isinstance(item, SessionDelta) else item.task
        return task not in self._told_by_members

    def remark(self, item: TaskEvent) -> str:
        """What to say about a fact of the tree, or ""."""
        match item.event:
            case e.TaskStarted(coordinator=coordinator):
                if coordinator:
                    self._told_by_members.add(item.task)
                return f"another process goes on where the log ends (attempt {item.attempt})" if item.attempt > 1 else ""
            case e.TaskDelegated():
                return self._delegated(item, item.event)
            case e.NodeStarted(node, run):
                self._nodes.add((item.task, f"{node}#{run}"))
            case e.ModelCompleted(message):
                self._calls.update({(item.task, call.call): call.arguments for call in message.tool_calls})
                return ""
            case e.InputRequired(call=call, purpose="approval"):
                self._calls.pop((item.task, call), None)  # the question says them, and the answer may change them
                return ""
            case e.ToolStarted(call, name):
                return self._tool(item, call, name)
            case e.TaskFailed(reason, message) if self._depth[item.task]:
                return f"failed ({reason}): {short(message)}"
            case e.TaskCanceled(reason) if self._depth[item.task]:
                return f"canceled{f': {short(reason)}' if reason else ''}"
        return remark(item.event)

    def _delegated(self, item: TaskEvent, event: e.TaskDelegated) -> str:
        self._depth[event.child] = self._depth[item.task] + 1
        self._calls.pop((item.task, event.call), None)
        node = event.call if (item.task, event.call) in self._nodes else event.call.rpartition(".")[0]  # or one item of many
        return "" if (item.task, node) in self._nodes else remark(event)  # its beginning was told

    def _tool(self, item: TaskEvent, call: str, name: str) -> str:
        """A call when it starts. One that starts again after it waited was told."""
        if (item.task, item.turn, call) in self._begun:
            return ""
        self._begun.add((item.task, item.turn, call))
        return f"{name} {short(self._calls.pop((item.task, call), ''))}".rstrip()
