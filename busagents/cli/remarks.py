"""What an event says to a person, in one line."""

from __future__ import annotations

from busagents.domain import events as e

_SHOWN = 100  # characters of what somebody wrote


def short(text: str) -> str:
    """The text on one line, cut where it gets long."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def remark(event: e.Event) -> str:
    """What participants do with each other and what went wrong; "" for events that are told by their text, or to programs only."""
    match event:
        case e.TaskDelegated(_, target, message):
            return f"{target.participant} ← {short(message.text)}"
        case e.TaskUndeliverable(_, reason):
            return f"could not be given to anybody: {short(reason)}"
        case e.ToolFailed(_, _, message):
            return f"the tool failed: {short(message)}"
        case e.ToolUnknown(_, reason):
            return f"a tool's outcome is unknown: {short(reason)}"
        case e.ModelFailed(_, message, retry_in) if retry_in is not None:
            return f"the model call failed ({short(message)}): again in {retry_in:.1f} s"
    return _step(event)


def _step(event: e.Event) -> str:
    """Of a swarm or a graph."""
    match event:
        case e.HandoffMade(source, target, message):
            return f"{source} → {target}{_said(message)}"
        case e.NodeStarted(node, run, target, items=items):
            facts = [target.participant] if target.participant != node else []
            facts += [f"run {run}"] if run > 1 else []
            facts += [f"{items} at once"] if items is not None else []
            return f"{node} begins ({', '.join(facts)})" if facts else f"{node} begins"
        case e.NodeCompleted(node, _, "completed", elapsed_ms=elapsed):
            return f"{node} is done ({elapsed / 1000:.1f} s)"
        case e.NodeCompleted(node, _, state, message, reason):
            why = f" ({reason})" if reason else ""
            return f"{node}: {state}{why}{_said(message.text if message is not None else '')}"
        case e.EdgesChosen(node, error=error) if error:
            return f"behind {node}: {short(error)}"
        case e.EdgesChosen(node, taken) if taken:
            return f"{node} → {', '.join(taken)}"
    return ""


def _said(text: str) -> str:
    return f": {short(text)}" if text.strip() else ""


def line(event: e.Event) -> str:
    """As remark, and also what passes between threads and people: for who reads the log. "" for the rest."""
    match event:
        case e.TaskSubmitted(sender=sender):
            return f"from {sender}{_said(event.prompt.text)}"
        case e.TaskOutcome(child, state, message, reason):
            why = f" ({reason})" if reason else ""
            return f"{child.participant}: {state}{why}{_said(message.text if message is not None else '')}"
        case e.TaskQuestion(child, message=message, asker=asker):
            return f"{asker or child.participant} asks{_said(message.text)}"
        case e.InputRequired(_, message, asker=asker):
            return f"{asker} asks{_said(message.text)}" if asker else f"asks{_said(message.text)}"
        case e.TaskInput(_, message):
            return f"answer{_said(message.text)}"
        case e.InputAnswered(_, answer):
            return "the question has its answer" if answer else "the question is closed"
        case e.InputRefused(_, _, reason):
            return f"an answer does not count: {short(reason)}"
        case e.EdgesChosen(node, (), error=""):
            return f"{node} → nobody"
    return remark(event)
