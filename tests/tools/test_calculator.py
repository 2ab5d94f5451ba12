"""The calculator: right results, and expressions that would take a process down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busagents.errors import ToolArgumentsInvalid
from busagents.tools import calculator


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("2 + 3 * 4", "14"),
        ("10^2", "100"),
        ("2 * 3^2 + 1", "19"),
        ("3×4−1", "11"),
        ("7 // 2", "3"),
        ("1200 * 1.07**5", "1683.06207684"),
        ("0.1 + 0.2", "0.3"),
        ("sqrt(2) > 1", "True"),
        ("max(1, 2, 3) + round(2.567, 1)", "5.6"),
        ("2**0.5", "1.41421356237"),
    ],
)
def test_arithmetic_is_right(expression: str, result: str) -> None:
    assert calculator(expression) == result


def test_variables_stand_for_their_values() -> None:
    assert calculator("rate * years", variables={"rate": 0.5, "years": 3.0}) == "1.5"


def test_precision_counts_significant_digits() -> None:
    assert calculator("pi", precision=3) == "3.14"


@pytest.mark.parametrize(
    ("bomb", "reason"),
    [
        ("9**9**9", "too large"),
        ("9^9^9^9", "too large"),
        ("10**400**2", "too large"),
        ("(9**3000)**9", "too large"),
        ("10**3000 * 10**3000", "more than 3,000 digits"),
        ("factorial(900) * factorial(900)", "more than 3,000 digits"),
        ("factorial(10**9)", "factorial takes 0 to 1000"),
        ("round(5, -10**9)", "round takes"),
        ("'a' * 10**9", "not a number"),
        ("'%099999999d' % 1", "not a number"),
        ("1 << 10**9", "operator other than"),
        ("-" * 999 + "1", "nested too deeply"),
        ("(" * 400 + "1" + ")" * 400, "not an arithmetic expression"),
        ("1+" * 5000 + "1", "the limit is 1000"),
    ],
)
def test_an_expression_that_explodes_is_refused_before_it_does(bomb: str, reason: str) -> None:
    with pytest.raises(ToolArgumentsInvalid, match=reason):
        calculator(bomb)


@pytest.mark.parametrize(
    "attack",
    [
        "__import__('os').system('id')",
        "().__class__.__mro__",
        "(1).real",
        "f'{1}'",
        "lambda: 1",
        "[x for x in (1,)]",
        "max(*[1])",
        "open('x')",
        "variables",
        "abs.__call__(1)",
        "(x := 1)",
        "1 is 1",
        "1 in 2",
        "1\0",
        "",
    ],
)
def test_what_is_not_arithmetic_is_refused(attack: str) -> None:
    with pytest.raises(ToolArgumentsInvalid, match="cannot work out"):
        calculator(attack)


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("1,200 * 3", "without commas"),
        ("1 / 0", "divides by zero"),
        ("sqroot(4)", "sqrt"),
        ("(-8)**0.5", "not a real number"),
        ("1e308 * 10", "not a number but inf"),
        ("5%", "not an arithmetic expression"),
    ],
)
def test_a_refusal_tells_the_model_what_to_change(expression: str, hint: str) -> None:
    with pytest.raises(ToolArgumentsInvalid, match=hint):
        calculator(expression)


def test_a_precision_that_no_float_has_is_refused() -> None:
    with pytest.raises(ToolArgumentsInvalid, match="within 1 to 17"):
        calculator("1", precision=18)


@given(st.text(alphabet="0123456789.+-*/%^()<>=!eEjxpi, '\"[]{}:_&|~@", max_size=40))
def test_any_text_is_worked_out_or_refused_in_words(expression: str) -> None:
    try:
        answer = calculator(expression)
    except ToolArgumentsInvalid as refusal:
        answer = str(refusal)
    assert answer
