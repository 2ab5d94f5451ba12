"""Hypothesis strategies for names, messages and every event type, built from the declared types."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from busagents.domain.codec import Consumed, Entry, to_record
from busagents.domain.events import EVENT_TYPES, Event, Recorded
from busagents.domain.subjects import ThreadRef

tokens = st.text("abcXYZ019_-", min_size=1, max_size=64)
thread_refs = st.builds(ThreadRef, tokens, tokens, tokens)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)  # a lone surrogate has no UTF-8 form
integers = st.integers(-(2**63), 2**64 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | integers | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def _of_type(kind: msgspec.inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case msgspec.inspect.Metadata(type=inner):
            return _of_type(inner)
        case msgspec.inspect.StructType(cls=cls):
            return _of_struct(cls)
        case msgspec.inspect.UnionType(types=types):
            return st.one_of(*map(_of_type, types))
        case msgspec.inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case msgspec.inspect.VarTupleType(item_type=item):
            return st.lists(_of_type(item), max_size=3).map(tuple)
        case msgspec.inspect.DictType(value_type=value):
            return st.dictionaries(texts, _of_type(value), max_size=3)
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.IntType():
            return integers
        case msgspec.inspect.FloatType():
            return floats
        case msgspec.inspect.StrType():
            return texts
        case msgspec.inspect.AnyType():
            return json_values
        case _:
            raise NotImplementedError(f"no strategy for {kind}: add it here")


def _of_struct(cls: type[Any]) -> st.SearchStrategy[Any]:
    if cls is ThreadRef:
        return thread_refs
    info = msgspec.inspect.type_info(cls)
    assert isinstance(info, msgspec.inspect.StructType)
    return st.builds(cls, **{field.name: _of_type(field.type) for field in info.fields})


def events_of(cls: type[Event]) -> st.SearchStrategy[Any]:
    """Instances of one event type, every field drawn."""
    return _of_struct(cls)


any_event: st.SearchStrategy[Event] = st.one_of(*map(events_of, EVENT_TYPES))
recorded_events = st.builds(Recorded, any_event, tokens, st.integers(0, 30), st.integers(0, 5))
entries = st.builds(
    Entry,
    v=st.just(1),
    id=tokens,
    seq=st.integers(0, 10_000),
    prev=texts,
    time=texts,
    trace=texts,
    cause=texts,
    corr=texts,
    consumed=st.lists(st.builds(Consumed, tokens, tokens), max_size=3).map(tuple),
    events=st.lists(recorded_events.map(to_record), min_size=1, max_size=3).map(tuple),
)
