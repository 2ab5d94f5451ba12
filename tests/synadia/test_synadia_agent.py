"""An agent of the Synadia protocol as a participant: prompted once, streamed, asked back, and its failures told as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from synadia_ai.agents.envelope import Attachment, Envelope

from busagents import Agent, Edge, FilePart, FunctionTask, Graph, Message, TextPart, agent
from busagents.bootstrap.participant import run_participant
from busagents.domain import events as e
from busagents.domain.messages import ToolResultPart
from busagents.domain.synadia_agent import SynadiaAgent
from busagents.errors import DefinitionError, TaskFailed
from busagents.ports.model import ModelRequest
from busagents.runtime.performer import Delta
from busagents.testing import ScriptedModel, call_tools, say
from busagents.testing.scripted_model import Turn
from tests.support.participants import running
from tests.synadia.peer_agent import Stream, peer_agent

Fresh = Callable[[str], str]


def agent_id(fresh: Fresh) -> str:
    """A name that an agent of the protocol can have."""
    return fresh("peer").replace("_", "-")


async def echo(envelope: Envelope, stream: Stream) -> None:
    await stream.say("you said: ")
    await stream.say(envelope.prompt)


async def test_its_answer_is_the_tasks_and_is_shown_as_it_comes(bus_url: str, fresh: Fresh) -> None:
    go_on = asyncio.Event()

    async def slow(envelope: Envelope, stream: Stream) -> None:
        await stream.say("first ")
        await go_on.wait()
        await stream.say("second")

    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh))
    async with peer_agent(bus_url, remote.agent, slow), running(bus_url, remote) as client:
        task = await client.send(remote.name, "go")
        shown: list[str] = []
        async for item in task.stream():
            if isinstance(item, Delta):
                shown.append(item.text)
                go_on.set()
        assert shown[0] == "first "
        result = await task.result()
        assert (result.text, result.message.role) == ("first second", "assistant")


async def test_files_travel_both_ways(bus_url: str, fresh: Fresh) -> None:
    got: list[Envelope] = []

    async def filing(envelope: Envelope, stream: Stream) -> None:
        got.append(envelope)
        await stream.say("here", Attachment.from_bytes("out.png", b"png"))

    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh))
    async with peer_agent(bus_url, remote.agent, filing), running(bus_url, remote) as client:
        message = Message("user", (TextPart("file it"), FilePart("application/pdf", "in.pdf", base64="JVBERg==")))
        result = await (await client.send(remote.name, message)).result()
        assert [(item.filename, item.to_bytes()) for item in got[0].attachments or ()] == [("in.pdf", b"%PDF")]
        assert result.message.parts == (TextPart("here"), FilePart("image/png", "out.png", base64="cG5n"))


async def test_its_question_is_the_tasks_and_the_answer_reaches_it(bus_url: str, fresh: Fresh) -> None:
    async def asking(envelope: Envelope, stream: Stream) -> None:
        answer = await stream.ask("Where to?")
        await stream.say(f"to {answer.prompt}")

    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh))
    async with peer_agent(bus_url, remote.agent, asking), running(bus_url, remote) as client:
        task = await client.send(remote.name, "travel")
        question = await task.question()
        assert question is not None
        assert (question.text, question.asker) == ("Where to?", remote.name)
        assert (await client.task_info(task.id)).state == "input-required"
        await task.reply("Portland")
        assert (await task.result()).text == "to Portland"


async def test_its_question_reaches_the_caller_of_an_agent_that_has_it_as_a_tool(bus_url: str, fresh: Fresh) -> None:
    async def asking(envelope: Envelope, stream: Stream) -> None:
        answer = await stream.ask(f"{envelope.prompt}, where to?")
        await stream.say(f"to {answer.prompt}")

    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh), description="plans trips")

    def turn(request: ModelRequest) -> Turn:
        last = request.messages[-1].parts[0]
        return say(last.content) if isinstance(last, ToolResultPart) else call_tools((remote.name, {"input": "a trip"}))

    boss = Agent(fresh("boss"), model=ScriptedModel(turn), tools=[remote.as_tool()])
    async with peer_agent(bus_url, remote.agent, asking), running(bus_url, remote, boss) as client:
        task = await client.send(boss.name, "plan")
        question = await task.question()
        assert question is not None
        assert (question.text, question.asker) == ("a trip, where to?", remote.name)
        await task.reply("Portland")
        assert (await task.result()).text == "to Portland"


WORDS = {
    "400": "bad_request",
    "401": "unauthorized",
    "403": "forbidden",
    "404": "not_found",
    "409": "conflict",
    "429": "rate_limited",
    "500": "remote_error",
    "999": "remote_error",
}


@pytest.mark.parametrize(("code", "reason"), WORDS.items())
async def test_an_error_of_it_fails_the_task_with_a_word_for_it(bus_url: str, fresh: Fresh, code: str, reason: str) -> None:
    async def refusing(envelope: Envelope, stream: Stream) -> None:
        await stream.say("so far so good")
        await stream.refuse(code, "no luck")

    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh))
    async with peer_agent(bus_url, remote.agent, refusing), running(bus_url, remote) as client:
        with pytest.raises(TaskFailed, match=f"{code}: no luck") as failed:
            await (await client.send(remote.name, "try")).result()
        assert failed.value.reason == reason


async def test_one_that_is_not_there_fails_the_task_and_says_what_to_do(bus_url: str, fresh: Fresh) -> None:
    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh), owner="acme")
    async with running(bus_url, remote) as client:
        with pytest.raises(TaskFailed, match=r"no agent .* of owner 'acme' answers discovery") as failed:
            await (await client.send(remote.name, "try")).result()
        assert failed.value.reason == "unreachable"


async def test_one_that_comes_back_elsewhere_is_found_again(bus_url: str, fresh: Fresh) -> None:
    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh))
    async with running(bus_url, remote) as client:
        async with peer_agent(bus_url, remote.agent, echo, session="here"):
            assert (await (await client.send(remote.name, "one")).result()).text == "you said: one"
        async with peer_agent(bus_url, remote.agent, echo, session="there"):
            assert (await (await client.send(remote.name, "two")).result()).text == "you said: two"
        with pytest.raises(TaskFailed, match="answers discovery"):
            await (await client.send(remote.name, "three")).result()


async def test_one_that_falls_silent_is_given_up_and_its_outcome_is_unknown(bus_url: str, fresh: Fresh) -> None:
    async def silent(envelope: Envelope, stream: Stream) -> None:
        await asyncio.Event().wait()

    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh), silence=0.3)
    async with peer_agent(bus_url, remote.agent, silent), running(bus_url, remote) as client:
        task = await client.send(remote.name, "try")
        with pytest.raises(TaskFailed, match=r"said nothing for 0\.3 s") as failed:
            await task.result()
        assert failed.value.reason == "outcome_unknown"
        assert "tool.unknown" in [event.type async for event in task.events()]


async def test_one_that_acknowledges_is_not_given_up(bus_url: str, fresh: Fresh) -> None:
    async def busy(envelope: Envelope, stream: Stream) -> None:
        for _ in range(6):
            await asyncio.sleep(0.4)  # its work
            await stream.ack()
        await stream.say("done")

    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh), silence=1.5)
    async with peer_agent(bus_url, remote.agent, busy), running(bus_url, remote) as client:
        assert (await (await client.send(remote.name, "try")).result()).text == "done"


async def test_files_are_not_sent_to_one_that_takes_none(bus_url: str, fresh: Fresh) -> None:
    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh))
    async with peer_agent(bus_url, remote.agent, echo, attachments_ok=False), running(bus_url, remote) as client:
        message = Message("user", (TextPart("file it"), FilePart("application/pdf", "in.pdf", base64="JVBERg==")))
        with pytest.raises(TaskFailed, match="takes no attachments") as failed:
            await (await client.send(remote.name, message)).result()
        assert failed.value.reason == "bad_request"


async def test_one_that_wants_signed_prompts_is_not_prompted(bus_url: str, fresh: Fresh) -> None:
    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh))
    async with peer_agent(bus_url, remote.agent, echo, trust="signed"), running(bus_url, remote) as client:
        with pytest.raises(TaskFailed, match="signed by their sender") as failed:
            await (await client.send(remote.name, "hello")).result()
        assert failed.value.reason == "unauthorized"


async def test_what_is_too_large_for_it_is_not_sent(bus_url: str, fresh: Fresh) -> None:
    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh))
    async with peer_agent(bus_url, remote.agent, echo), running(bus_url, remote) as client:
        with pytest.raises(TaskFailed, match="takes at most 1048576") as failed:
            await (await client.send(remote.name, "x" * 1_100_000)).result()
        assert failed.value.reason == "bad_request"


async def test_the_session_that_is_named_is_prompted_else_main(bus_url: str, fresh: Fresh) -> None:
    def named(name: str) -> Any:
        async def answer(envelope: Envelope, stream: Stream) -> None:
            await stream.say(name)

        return answer

    peer = agent_id(fresh)
    any_of_them, other = (
        SynadiaAgent(fresh("a"), agent=peer),
        SynadiaAgent(fresh("b"), agent=peer, session="other", owner="bob"),
    )
    async with (
        peer_agent(bus_url, peer, named("old"), session="aaa", version="0.2"),
        peer_agent(bus_url, peer, named("other"), session="other", owner="bob"),
        peer_agent(bus_url, peer, named("main")),
        running(bus_url, any_of_them, other) as client,
    ):
        assert (await (await client.send(any_of_them.name, "who?")).result()).text == "main"
        assert (await (await client.send(other.name, "who?")).result()).text == "other"


async def test_a_structured_answer_is_asked_for_and_read(bus_url: str, fresh: Fresh) -> None:
    async def counting(envelope: Envelope, stream: Stream) -> None:
        await stream.say('{"count": 3}' if "JSON Schema" in envelope.prompt else "three")

    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh))
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
    async with peer_agent(bus_url, remote.agent, counting), running(bus_url, remote) as client:
        assert (await (await client.send(remote.name, "how many?", output_type=schema)).result()).output == {"count": 3}


async def test_several_questions_may_be_open_at_once_and_nothing_is_given_up_meanwhile(bus_url: str, fresh: Fresh) -> None:
    async def asking(envelope: Envelope, stream: Stream) -> None:
        answers = await asyncio.gather(stream.ask("One?"), stream.ask("Two?"))
        files = [file.filename for answer in answers for file in answer.attachments or ()]
        await stream.say(" ".join([*(answer.prompt for answer in answers), *files]))

    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh), silence=0.8)
    async with peer_agent(bus_url, remote.agent, asking), running(bus_url, remote) as client:
        task = await client.send(remote.name, "ask")
        requests: dict[str, str] = {}
        async for event in task.events():
            if isinstance(event.event, e.InputRequired):
                requests[event.event.message.text] = event.event.request
            if len(requests) == 2:
                break
        await asyncio.sleep(2)  # longer than it may be silent otherwise
        await task.reply("2", request=requests["Two?"])
        answer = Message("user", (TextPart("1"), FilePart("text/plain", "a.txt", base64="YQ==")))
        await task.reply(answer, request=requests["One?"])
        assert (await task.result()).text == "1 2 a.txt"


async def test_it_is_a_node_of_a_graph_like_any_other(bus_url: str, fresh: Fresh) -> None:
    @agent(fresh("first"))
    async def first(task: FunctionTask) -> str:
        return f"{task.text}!"

    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh))
    graph = Graph(fresh("graph"), entry=first, edges=[Edge(first, remote)])
    async with peer_agent(bus_url, remote.agent, echo), running(bus_url, first, remote, graph) as client:
        assert "hello!" in (await (await client.send(graph.name, "hello")).result()).text


async def test_a_question_is_answered_through_any_replica(bus_url: str, fresh: Fresh) -> None:
    async def asking(envelope: Envelope, stream: Stream) -> None:
        await stream.say((await stream.ask("Well?")).prompt)

    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh))
    async with peer_agent(bus_url, remote.agent, asking), running(bus_url, remote), running(bus_url, remote) as client:
        for number in range(6):  # the answer reaches the one that prompted, whoever gets the message
            task = await client.send(remote.name, "ask")
            assert await task.question() is not None
            await task.reply(str(number))
            assert (await task.result()).text == str(number)


async def test_a_cancel_hangs_up(bus_url: str, fresh: Fresh) -> None:
    prompted = asyncio.Event()

    async def endless(envelope: Envelope, stream: Stream) -> None:
        prompted.set()
        await asyncio.Event().wait()

    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh))
    async with peer_agent(bus_url, remote.agent, endless), running(bus_url, remote) as client:
        task = await client.send(remote.name, "go")
        await prompted.wait()
        await task.cancel("enough")
        types = [event.type async for event in task.events()]
        assert types == ["task.started", "tool.started", "tool.unknown", "task.canceled"]


@pytest.mark.parametrize("idempotent", [False, True])
async def test_after_a_crash_it_is_prompted_again_only_if_it_may_be(
    bus_url: str, fresh: Fresh, idempotent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUSAGENTS_ACK_WAIT", "1")
    prompts = 0
    prompted = asyncio.Event()

    async def once_lost(envelope: Envelope, stream: Stream) -> None:
        nonlocal prompts
        prompts += 1
        prompted.set()
        if prompts == 1:
            await asyncio.Event().wait()
        await stream.say("done")

    remote = SynadiaAgent(fresh("a"), agent=agent_id(fresh), idempotent=idempotent)
    async with peer_agent(bus_url, remote.agent, once_lost):
        first = asyncio.create_task(run_participant(remote, bus_url, stop=asyncio.Event()))
        async with running(bus_url) as client:
            while not await client.bus.known(remote.name):
                pass
            task = await client.send(remote.name, "go")
            await prompted.wait()
            first.cancel()  # as good as killed: it records nothing more
            await asyncio.wait({first})
            async with running(bus_url, remote):
                ended = [event.event async for event in task.events()][-1]
    if idempotent:
        assert isinstance(ended, e.TaskCompleted)
        assert (ended.message.text, prompts) == ("done", 2)
    else:
        assert isinstance(ended, e.TaskFailed)
        assert (ended.reason, prompts) == ("outcome_unknown", 1)
        assert "not prompted a second time" in ended.message


@pytest.mark.parametrize(
    ("wrong", "why"), [({"agent": ""}, "names no agent"), ({"agent": "x", "silence": 0}, "silence=0 cannot work")]
)
def test_a_declaration_that_cannot_work_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(DefinitionError, match=why):
        SynadiaAgent("a", **wrong)
