"""The calculator: arithmetic without giving a model a Python interpreter."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

from busagents.domain.tool import tool
from busagents.errors import ToolArgumentsInvalid

MAX_LENGTH = 1_000  # characters of an expression
MAX_BITS = 10_000  # of an integer result: about 3,000 digits
MAX_FACTORIAL = 1_000

_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "^": "**"})  # ^ as a power, with the rank of one
_CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau}


@tool(read_only=True)
def calculator(expression: str, precision: int = 12, variables: dict[str, float] | None = None) -> str:
    """Work out an arithmetic expression, for example "1200 * 1.07**5" or "sqrt(2) / 3".

    Knows + - * / // % ** (also ^), comparisons, pi, e, tau and the functions abs, round, min, max, floor, ceil, sqrt,
    exp, log, log2, log10, factorial, sin, cos, tan, asin, acos, atan, degrees, radians. Angles are in radians.

    Args:
        expression: What to work out; no thousands separators, no units.
        precision: Significant digits of a fractional result, 1 to 17.
        variables: Values of names used in the expression.
    """
    if len(expression) > MAX_LENGTH:
        raise ToolArgumentsInvalid(
            f"the expression has {len(expression)} characters, the limit is {MAX_LENGTH}: work it out in parts"
        )
    if not 1 <= precision <= 17:
        raise ToolArgumentsInvalid(f"precision={precision} is not within 1 to 17")
    return _format(_evaluate(expression, variables or {}), precision)


def _evaluate(expression: str, variables: dict[str, float]) -> Any:
    from simpleeval import InvalidExpression, OperatorNotDefined, SimpleEval

    evaluator = SimpleEval(operators=_OPERATORS, functions=_FUNCTIONS, names=_CONSTANTS | variables)
    for node in (ast.Attribute, ast.Subscript, ast.JoinedStr, ast.FormattedValue):
        evaluator.nodes.pop(node, None)  # arithmetic needs none of them, and each is a way to something else
    evaluator.nodes[ast.Constant] = _constant
    text = expression.translate(_SIGNS).strip()
    try:
        return evaluator.eval(text, previously_parsed=ast.parse(text, mode="eval").body)
    except ZeroDivisionError:
        reason = "it divides by zero"
    except (SyntaxError, MemoryError):  # CPython's parser reports too deep nesting as MemoryError
        reason = "it is not an arithmetic expression; use digits, operators and brackets, no commas within numbers"
    except RecursionError:
        reason = "it is nested too deeply; work it out in parts"
    except OverflowError:
        reason = "the result is too large for a floating point number"
    except (OperatorNotDefined, KeyError):  # KeyError: what simpleeval raises for `is` and `in`
        reason = "it has an operator other than + - * / // % ** and comparisons"
    except InvalidExpression as problem:
        known = ", ".join([*_FUNCTIONS, *_CONSTANTS, *variables])
        reason = f"{problem}; use numbers (without commas in them), operators and these names only: {known}"
    except (ValueError, TypeError) as problem:
        reason = str(problem)
    raise ToolArgumentsInvalid(f"cannot work out {expression[:200]!r}: {reason}")


def _constant(node: ast.Constant) -> Any:
    if isinstance(node.value, int | float):
        return node.value
    raise ValueError(f"{node.value!r:.40} is not a number")


def _format(value: Any, precision: int) -> str:
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return format(value, f".{precision}g")
    if isinstance(value, complex):
        raise ToolArgumentsInvalid("the result is not a real number (an even root of a negative number?)")
    raise ToolArgumentsInvalid(f"the result is not a number but {str(value)[:40]}")


def _bounded(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse integers so large that working them out, or printing them, would take the process down."""

    def checked(*operands: Any) -> Any:
        result = operation(*operands)
        if isinstance(result, int) and result.bit_length() > MAX_BITS:
            raise ValueError("the number has more than 3,000 digits; use floating point (write 9.0 for 9) or logarithms")
        return result

    return checked


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * abs(exponent) > 2 * MAX_BITS:
        raise ValueError(f"{base:.3g} to the power of {exponent:.3g} is too large; use log10 to compare such numbers")
    return base**exponent


def _round(number: Any, digits: Any = 0) -> Any:
    if not -400 <= digits <= 400:  # round(5, -10**9) would work out 10**10**9 first
        raise ValueError("round takes -400 to 400 digits")
    return round(number, digits) if digits else round(number)


def _factorial(number: Any) -> int:
    if not 0 <= number <= MAX_FACTORIAL:
        raise ValueError(f"factorial takes 0 to {MAX_FACTORIAL}")
    return math.factorial(number)


_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: _bounded(operator.add),
    ast.Sub: _bounded(operator.sub),
    ast.Mult: _bounded(operator.mul),
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _bounded(_power),
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "round": _round,
    "min": min,
    "max": max,
    "floor": math.floor,
    "ceil": math.ceil,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "factorial": _bounded(_factorial),
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "degrees": math.degrees,
    "radians": math.radians,
}
