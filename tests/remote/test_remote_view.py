"""A remote task's updates put together: the same answer however it came in pieces, and every letter shown once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from busagents.domain.messages import DataPart, FilePart, Message, TextPart, assistant
from busagents.ports.remote import RemoteArtifact, RemoteChunk, RemoteReply, RemoteStatus, RemoteTask
from busagents.runtime.remote_view import RemoteView

pieces = st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=4)), max_size=12)


def told(chunks: list[tuple[str, str]], view: RemoteView) -> str:
    shown = ""
    begun: set[str] = set()
    for artifact, text in chunks:
        shown += view.apply(RemoteChunk("t", "c", RemoteArtifact(artifact, (TextPart(text),)), artifact in begun))
        begun.add(artifact)
    return shown


@given(pieces)
def test_pieces_make_the_text_of_the_whole(chunks: list[tuple[str, str]]) -> None:
    view, whole = RemoteView(), RemoteView()
    told(chunks, view)
    texts = {name: "".join(text for other, text in chunks if other == name) for name, _ in chunks}
    artifacts = tuple(RemoteArtifact(name, (TextPart(text),)) for name, text in texts.items())
    whole.apply(RemoteTask("t", "c", "completed", None, artifacts))
    view.apply(RemoteStatus("t", "c", "completed"))
    assert view.answer() == whole.answer()


@given(st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=12), st.integers(0, 12))
def test_what_is_shown_is_the_answer_also_after_a_new_beginning(texts: list[str], cut: int) -> None:
    view = RemoteView()
    shown = told([("a", text) for text in texts[:cut]], view)
    shown += view.apply(RemoteTask("t", "c", "working", None, (RemoteArtifact("a", (TextPart("".join(texts)),)),)))
    assert shown == view.answer()[0].text


def test_texts_and_data_are_the_answer_and_files_are_artifacts() -> None:
    view = RemoteView()
    file = FilePart("image/png", "dot.png", "AAH/")
    artifacts = (
        RemoteArtifact("1", (TextPart("one"), DataPart({"n": 1}))),
        RemoteArtifact("2", (TextPart("a picture"), file), "picture"),
        RemoteArtifact("3", (TextPart("three"),)),
    )
    view.apply(RemoteTask("t", "c", "completed", assistant("said"), artifacts))
    message, files = view.answer()
    assert message.parts == (TextPart("one\n\nthree"), DataPart({"n": 1}))
    assert [(item.name, item.parts) for item in files] == [("picture", (TextPart("a picture"), file))]


def test_without_artifacts_the_answer_is_what_it_said() -> None:
    view = RemoteView()
    view.apply(RemoteTask("t", "c", "completed", assistant("said")))
    assert view.answer() == (Message("assistant", (TextPart("said"),)), ())
    view.apply(RemoteReply(assistant("more")))
    assert view.answer()[0].text == "more"


def test_a_task_that_still_stands_where_it_asked_has_not_gone_on() -> None:
    view = RemoteView(asked="noon m1")
    view.apply(RemoteTask("t", "c", "input-required", assistant("Which?"), mark="noon m1"))
    assert not view.settled
    view.apply(RemoteStatus("t", "c", "input-required", assistant("And?"), "one m2"))
    assert view.settled
