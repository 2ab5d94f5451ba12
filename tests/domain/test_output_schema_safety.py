"""A schema comes with a task, from anyone: it makes nobody fetch anything, and one that is none ends its own task."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator

import pytest

from busagents.domain.output import parse_output


@pytest.fixture
def visitors() -> Iterator[tuple[str, list[str]]]:
    """A URL on this machine and who came by."""
    came: list[str] = []

    class Door(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            came.append(str(self.client_address))

    with socketserver.TCPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/schema.json", came
        server.shutdown()
        thread.join()


def test_a_schema_that_refers_to_another_machine_is_refused_without_asking_it(visitors: tuple[str, list[str]]) -> None:
    url, came = visitors
    output, problem = parse_output('{"a": 1}', {"$ref": url})
    assert output is None
    assert problem is not None
    assert url in problem
    assert came == []


@pytest.mark.parametrize(
    "schema",
    [{"type": 7}, {"type": "thing"}, {"pattern": "("}, {"$ref": "#/nowhere"}, {"required": 5}, {"properties": ["a"]}],
    ids=str,
)
def test_a_schema_that_is_none_is_a_problem_with_words_not_a_defect(schema: dict[str, object]) -> None:
    output, problem = parse_output('"text"', schema)
    assert output is None
    assert problem is not None


def test_a_schema_that_refers_to_itself_without_end_is_a_problem_with_words() -> None:
    _, problem = parse_output('"text"', {"$ref": "#"})
    assert problem is not None
