"""Finds arithmetic in a sentence: "12 * 7", "15% of 80", "the square root of 2", "multiply 6 by 7"."""

from __future__ import annotations

import ast
import re

_N = r"(-?\d+(?:\.\d+)?)"
MAX_LENGTH = 200  # characters of an expression

_FUNCTIONS = r"(?:sqrt|log10|log2|log|exp|sin|cos|tan|abs|round|floor|ceil|factorial|min|max)"
_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "^": "\x00"})

# In order: each line turns one way of saying it into the way a calculator takes it.
_SPOKEN: tuple[tuple[str, str], ...] = (
    (r"(?<=\d),(?=\d{3}\b)", ""),
    (r"[$€£](?=\d)", ""),
    (rf"{_N}\s*(?:%|percent)\s+of\s+{_N}", r"\1 / 100 * \2"),
    (rf"(?:the\s+)?square root of\s+{_N}", r"sqrt(\1)"),
    (rf"(?:the\s+)?factorial of\s+{_N}", r"factorial(\1)"),
    (rf"(?:the\s+)?(?:sum of|add)\s+{_N}\s+(?:and|to|plus)\s+{_N}", r"\1 + \2"),
    (rf"(?:the\s+)?(?:product of|multiply)\s+{_N}\s+(?:and|by|with)\s+{_N}", r"\1 * \2"),
    (rf"divide\s+{_N}\s+by\s+{_N}", r"\1 / \2"),
    (rf"subtract\s+{_N}\s+from\s+{_N}", r"\2 - \1"),
    (r"\bplus\b", "+"),
    (r"\bminus\b", "-"),
    (r"\b(?:times|multiplied by)\b", "*"),
    (r"(?<=\d)\s+x\s+(?=\d)", " * "),
    (r"\bdivided by\b", "/"),
    (r"\b(?:raised\s+)?to the power(?:\s+of)?\b", "**"),
    (r"\s+squared\b", "**2"),
    (r"\s+cubed\b", "**3"),
)
_GROWTH = re.compile(
    rf"{_N}[^.?!]{{0,60}}?\bat\s+{_N}\s*(?:%|percent)[^.?!]{{0,60}}?\b(?:for|over|after|in)\s+(\d+)\s+years?", re.IGNORECASE
)
_CANDIDATE = re.compile(rf"(?:\b{_FUNCTIONS}\s*\(|[\d.()+\-*/%\x00,]|\s)+")
_OPERATION = re.compile(rf"[\d)]\s*[-+*/%\x00]+\s*[\d(]|[\d)]\s*[-+*/%\x00]+\s*{_FUNCTIONS}|{_FUNCTIONS}\s*\(")
_NOT_ARITHMETIC = re.compile(
    r"\d{4}-\d{1,2}(?:-\d{1,2})?|\d{1,2}/\d{1,2}/\d{2,4}|(?:19|20)\d\d-(?:19|20)?\d\d|24/7|\d{3}-\d{3,4}(?:-\d{4})?"
)


def expressions(text: str) -> list[str]:
    """The arithmetic expressions in a text, in order, each once, in the notation of Python."""
    growth = _growth(text)
    found = [growth] if growth else []
    for pattern, replacement in _SPOKEN:
        text = re.sub(pattern, replacement, text, flags=re.IGNORECASE)
    for match in _CANDIDATE.finditer(text.translate(_SIGNS)):
        candidate = match[0].strip(" \t\n,.")
        if len(candidate) <= MAX_LENGTH and _OPERATION.search(candidate) and not _NOT_ARITHMETIC.fullmatch(candidate):
            whole = _whole(" ".join(candidate.replace("\x00", "**").split()))
            if whole and not growth:
                found.append(whole)
    return list(dict.fromkeys(found))


def year_span(text: str) -> list[str]:
    """The difference of the first and the last year that a text names, as an expression; none if there are not two."""
    years = sorted({int(year) for year in re.findall(r"(?<![\d.,-])(?:1[5-9]|20)\d\d(?![\d,-]|\.\d)", text)})
    return [f"{years[-1]} - {years[0]}"] if len(years) > 1 else []


def without_arithmetic(text: str) -> str:
    """The text with its expressions and numbers taken out: what is left says what else is wanted."""
    for pattern, replacement in _SPOKEN:
        text = re.sub(pattern, replacement, text, flags=re.IGNORECASE)
    return re.sub(rf"{_FUNCTIONS}\s*\(|[\d.,]*\d[\d.,]*|[-+*/%^×÷−()]", " ", text)


def _growth(text: str) -> str:
    """Compound interest: an amount at so many percent for so many years."""
    if not re.search(r"\b(invest|interest|compound|grow|saving)", text, re.IGNORECASE):
        return ""
    match = _GROWTH.search(re.sub(r"(?<=\d),(?=\d{3}\b)", "", text))
    return f"{match[1]} * (1 + {match[2]} / 100) ** {match[3]}" if match else ""


def _whole(candidate: str) -> str:
    """The candidate if it is one valid expression, perhaps without a stray bracket or sign at its ends; else nothing."""
    for start, end in ((0, 0), (0, 1), (1, 0), (1, 1)):
        text = candidate[start : len(candidate) - end].strip(" ,.+*/%(") if start or end else candidate.rstrip(" -+*/%(,.")
        try:
            tree = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError):
            continue
        if isinstance(tree, ast.BinOp | ast.Call):
            return text
    return ""
