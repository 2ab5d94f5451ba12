"""`busagents send` to who has others work for it: the answer on stdout, and on stderr what happens below it."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from busagents import Client
from busagents.cli.text_lines import Beside, Line
from tests.support.command_line import CommandLine

Fresh = Callable[[str], str]


def remarks(err: str) -> list[str]:
    """The lines of stderr but the last, which says how to go on."""
    *lines, last = err.splitlines()
    assert "go on with --session" in last, err
    return lines


async def test_piped_the_others_are_told_in_remarks_and_only_the_answer_is_on_stdout(team: CommandLine) -> None:
    done = await team("send", "boss", "hello")
    assert (done.code, done.out) == (0, "I ask.\n\nDone.\n")
    told = remarks(done.err)
    assert told[:2] == ["  · scout ← go", "  · writer ← write"]
    assert told[2:] == ['    · scout: look {"what":"it"}']


async def test_of_a_swarm_the_handoffs_are_told_and_its_answer_is_on_stdout_once(team: CommandLine) -> None:
    done = await team("send", "team", "hello")
    assert (done.code, done.out) == (0, "It is done.\n")
    told = [line.partition(" is done")[0] for line in remarks(done.err)]
    assert told == ["  · first begins", "  · first", "  · first → second: your turn", "  · second begins", "  · second"]


async def test_of_a_graph_nodes_and_chosen_edges_are_told_and_what_is_below_a_node_is_indented(team: CommandLine) -> None:
    done = await team("send", "flow", "hello")
    assert (done.code, done.out) == (0, "It is done.\n")
    told = [line.partition(" is done")[0] for line in remarks(done.err)]
    assert told[:4] == ["  · writer begins", "  · writer", "  · writer → team", "  · team begins"]
    assert told[4:-1] == [
        "    · team: first begins",
        "    · team: first",
        "    · team: first → second: your turn",
        "    · team: second begins",
        "    · team: second",
    ]
    assert told[-1] == "  · team"


async def test_a_node_that_runs_for_each_of_a_list_is_told_once(team: CommandLine) -> None:
    done = await team("send", "spread", "hello")
    assert done.code == 0, done.err
    assert [line.partition(" is done")[0] for line in remarks(done.err)] == ["  · each begins (writer, 3 at once)", "  · each"]


async def test_an_answer_that_is_a_childs_as_it_is_comes_on_stdout(team: CommandLine) -> None:
    done = await team("send", "chief", "hello")
    assert (done.code, done.out) == (0, "The writer knows.\n\nA report.\n")


async def test_a_child_that_fails_is_told_in_one_line_and_the_task_goes_on(team: CommandLine) -> None:
    done = await team("send", "sad", "hello")
    assert (done.code, done.out) == (0, "It failed.\n")
    told = remarks(done.err)
    assert told[0] == "  · broken ← go"
    assert told[1].startswith("    · broken: failed (")
    assert "out of order" in told[1]


async def test_what_others_do_in_the_session_is_not_told(team: CommandLine, team_client: Client, fresh: Fresh) -> None:
    session = fresh("s")
    await (await team_client.send("team", "before", session=session)).result()
    other = await team_client.send("patient", "beside", session=session)
    done = await team("send", "boss", "hello", "--session", session)
    await other.cancel()
    assert remarks(done.err)[:2] == ["  · scout ← go", "  · writer ← write"]
    assert not any("slow" in line or "first" in line for line in remarks(done.err))


async def test_on_a_terminal_the_others_text_is_grey_and_named_and_drives_nothing(team: CommandLine) -> None:
    code, shown = await team.on_terminal("send", "boss", "hello")
    assert code == 0
    assert "\x1b[90m    scout │ Looking.\x1b[0m\n" in shown
    assert "\x1b[90m    scout │ It is ]0;owned[31mred 5nend.\x1b[0m\n" in shown
    assert "\x1b[90m    writer │ A report.\x1b[0m\n" in shown
    assert "I ask.\n\x1b[90m  · scout ← go" in shown
    ours = shown.replace("\x1b[90m", "").replace("\x1b[0m", "")
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(ours)


async def test_what_members_of_a_swarm_say_is_shown_once_before_its_answer(team: CommandLine) -> None:
    code, shown = await team.on_terminal("send", "flow", "hello", NO_COLOR="1")
    assert code == 0
    assert shown.count("It is done.") == 2
    assert "      second │ It is done.\n" in shown
    assert "\nIt is done.\nbusagents: " in shown


async def test_a_childs_text_is_shown_while_it_writes(team: CommandLine, team_client: Client, fresh: Fresh) -> None:
    session = fresh("s")
    async with team.at_terminal("send", "patient", "hello", "--session", session) as terminal:
        await terminal.until("    slow │ beginning\n")
        [info] = [info for info in await team_client.tasks(session=session) if info.ref.participant == "patient"]
        await (await team_client.task(info.task)).cancel("not needed")
        assert await terminal.ended() == 6
    assert "    slow │ and so on\n" in terminal.shown


class Kept(Line):
    """Keeps what would be printed."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def remark(self, text: str) -> None:
        self.said.append(text)


@given(st.lists(st.text(alphabet="ab \n", max_size=120)))
def test_text_beside_others_is_whole_lines_of_bounded_length_however_it_comes(pieces: list[str]) -> None:
    kept, whole = Kept(), Kept()
    beside, at_once = Beside(kept, "x │ "), Beside(whole, "x │ ")
    for piece in pieces:
        beside.write(piece)
    at_once.write("".join(pieces))
    beside.end()
    at_once.end()
    assert kept.said == whole.said
    assert all(len(line) <= len("x │ ") + 80 for line in kept.said)
    words = "".join(line.removeprefix("x │ ") for line in kept.said)
    assert "".join(words.split()) == "".join("".join(pieces).split())
