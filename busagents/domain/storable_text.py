"""Text that can be stored. A str may hold halves of surrogate pairs, which no encoding takes: a stream cut a sign in two, or a
file name was no UTF-8.
"""

from __future__ import annotations


def storable(text: str) -> str:
    """The text with the halves of pairs joined and lone halves replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def told(error: BaseException) -> str:
    """An error of the user's code in one line: its type and its words."""
    try:
        words = str(error)
    except Exception as broken:  # noqa: BLE001 - its __str__ is the user's code too
        words = f"its text cannot be made ({type(broken).__name__})"
    return storable(f"{type(error).__name__}: {words}")
