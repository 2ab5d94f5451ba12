"""Chain and Ledger behave as a list and a dict of which every older version stays as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busagents.domain.chain import Chain, Ledger

steps = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=30)  # (which version to grow, item)


@given(st.lists(st.integers()))
def test_a_chain_reads_as_the_list_it_was_made_from(items: list[int]) -> None:
    chain = Chain(items)
    assert list(chain) == items
    assert len(chain) == len(items)
    assert list(reversed(chain)) == items[::-1]


@given(steps)
def test_every_version_of_a_chain_stays_as_it_was_whichever_one_grows(steps: list[tuple[int, int]]) -> None:
    chains: list[Chain[int]] = [Chain()]
    lists: list[list[int]] = [[]]
    for which, item in steps:
        base = which % len(chains)
        chains.append(chains[base].append(item))
        lists.append([*lists[base], item])
    assert [list(chain) for chain in chains] == lists
    assert [len(chain) for chain in chains] == [len(items) for items in lists]


@given(st.lists(st.integers(), max_size=8), st.integers(-10, 10))
def test_a_chain_is_indexed_as_a_list_is_although_a_longer_version_shares_its_storage(items: list[int], index: int) -> None:
    chain = Chain(items)
    chain.append(99)
    if -len(items) <= index < len(items):
        assert chain[index] == items[index]
    else:
        with pytest.raises(IndexError):
            chain[index]


@given(
    st.lists(st.integers(), max_size=8),
    st.builds(
        slice,
        st.none() | st.integers(-10, 10),
        st.none() | st.integers(-10, 10),
        st.none() | st.sampled_from([-2, -1, 1, 2]),
    ),
)
def test_a_chain_is_sliced_as_a_list_is(items: list[int], part: slice) -> None:
    chain = Chain(items)
    chain.append(99)
    assert chain[part] == items[part]


@given(st.lists(st.integers(0, 2), max_size=4), st.lists(st.integers(0, 2), max_size=4))
def test_chains_are_equal_exactly_if_their_items_are(a: list[int], b: list[int]) -> None:
    assert (Chain(a) == Chain(b)) == (a == b)


def test_a_chain_keeps_no_hold_on_the_list_it_was_made_from() -> None:
    items = [1]
    chain = Chain(items)
    items.append(2)
    assert list(chain) == [1]


def test_growing_a_chain_shares_its_storage_instead_of_copying_it() -> None:
    chain: Chain[int] = Chain()
    versions = [chain]
    for number in range(100):
        versions.append(versions[-1].append(number))
    assert len({id(version._items) for version in versions}) == 1


@given(steps)
def test_every_version_of_a_ledger_stays_as_it_was_and_a_key_keeps_its_first_value(steps: list[tuple[int, int]]) -> None:
    ledgers: list[Ledger[int, int]] = [Ledger()]
    dicts: list[dict[int, int]] = [{}]
    for number, (which, key) in enumerate(steps):
        base = which % len(ledgers)
        ledgers.append(ledgers[base].record(key, number))
        dicts.append(dicts[base] if key in dicts[base] else {**dicts[base], key: number})
    for ledger, plain in zip(ledgers, dicts, strict=True):
        assert list(ledger.items()) == list(plain.items())
        assert len(ledger) == len(plain)
        assert [ledger.get(key) for key in range(10)] == [plain.get(key) for key in range(10)]
        assert [key in ledger for key in range(10)] == [key in plain for key in range(10)]


@pytest.mark.parametrize("value", [Chain([1]), Ledger[int, int]()])
def test_collections_that_share_storage_are_not_hashable(value: object) -> None:
    with pytest.raises(TypeError, match="not hashable"):
        hash(value)
