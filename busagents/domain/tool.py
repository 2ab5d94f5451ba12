"""A tool: a Python function that a model may call, with its schema and what a crash means for it."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, overload

import msgspec

from busagents.domain.storable_text import storable
from busagents.domain.tool_schema import Signature, read_signature
from busagents.errors import DefinitionError

RecoveryClass = Literal["at_most_once", "idempotent", "read_only"]
ToolForm = Literal["async", "sync", "generator"]
Approval = bool | Callable[[dict[str, Any]], Any]
"""Whether a person must approve each call, or a function (sync or async) of its arguments that says so."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, eq=False)
class Tool:
    """A declared tool. Calling it calls the plain function, so it stays as testable as before.

    `recovery` says what happens to a call that was started and whose outcome a crash swallowed: `idempotent` and
    `read_only` calls run again with the same key, `at_most_once` ones never do and are reported as unknown.
    `timeout` is in seconds, None for no limit; `sequential` tools never run beside another tool of the same turn.
    """

    name: str
    description: str
    recovery: RecoveryClass
    timeout: float | None
    sequential: bool
    form: ToolForm
    fn: Callable[..., Any]
    signature: Signature
    approval: Approval = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.fn(*args, **kwargs)

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON Schema of the arguments object."""
        return self.signature.schema

    @property
    def context_parameter(self) -> str | None:
        """The name of the parameter that takes the ToolContext, or None."""
        return self.signature.context_parameter

    def arguments(self, json_text: str) -> dict[str, Any]:
        """Parse and check what a model sent; call `fn(**arguments)` with the result (plus the context, if asked for).

        Raises:
            ToolArgumentsInvalid: in words for the model: which fields, what was wrong, what is expected.
        """
        return self.signature.arguments(self.name, json_text)


@overload
def tool(fn: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    idempotent: bool = False,
    read_only: bool = False,
    timeout: float | None = None,
    sequential: bool = False,
    approval: Approval = False,
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    idempotent: bool = False,
    read_only: bool = False,
    timeout: float | None = None,
    sequential: bool = False,
    approval: Approval = False,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a function a tool, as `@tool` or `@tool(idempotent=True)`.

    The function may be async, sync (run in a thread) or a generator (its last value is the result, earlier ones are
    progress). Name, description and parameter texts come from the function and its docstring (Google, NumPy and reST).

    Parameters:
        name: 1 to 64 letters, digits, `_` or `-`; default: the function's name.
        description: what the model reads; default: the docstring without its parameter section.
        idempotent: running it twice for one call has the effect of running it once.
        read_only: it changes nothing.
        timeout: seconds after which the call is stopped and reported as failed.
        sequential: never run it beside another tool.
        approval: True, or a function of the arguments that says so: a person must approve the call before it runs. They may
            also edit its arguments, or reject it with a reason that the model is told.

    Raises:
        DefinitionError: the tool is declared in a way that cannot work; names the fix.
    """

    def declare(fn: Callable[..., Any]) -> Tool:
        label = name if name is not None else getattr(fn, "__name__", type(fn).__name__)
        _check(label, fn, idempotent, read_only, timeout)
        text, parameter_texts = _read_docstring(inspect.getdoc(fn) or "")
        return Tool(
            name=label,
            description=text if description is None else description,
            recovery="idempotent" if idempotent else "read_only" if read_only else "at_most_once",
            timeout=timeout,
            sequential=sequential,
            form=_form(fn),
            fn=fn,
            signature=read_signature(fn, label, parameter_texts),
            approval=approval,
        )

    return declare if fn is None else declare(fn)


def encode_result(value: Any) -> str:
    """A tool's result as the text the model reads: a str as it is, None as "done", everything else as JSON.

    Raises:
        DefinitionError: the value is not JSON, or holds NaN or an infinity; names the type and where it is.
    """
    if value is None:
        return "done"
    if isinstance(value, str):
        return storable(value)
    try:
        plain = msgspec.to_builtins(value, enc_hook=_dump_pydantic, str_keys=True)
        _refuse_nan(plain, "result")
        return msgspec.json.encode(plain).decode()
    except (TypeError, NotImplementedError, UnicodeError, RecursionError) as problem:
        raise DefinitionError(
            f"the tool ran, but its result of type {type(value).__name__} is not JSON ({problem or 'unknown type'}); "
            "return str, numbers, list, dict, a dataclass, a msgspec Struct or a pydantic model"
        ) from None


def check_tool_name(name: str) -> str:
    """Return the name if a tool may have it, else raise DefinitionError."""
    if not _NAME.fullmatch(name):
        suggestion = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:64].strip("_") or "my_tool"
        raise DefinitionError(
            f"tool name {name[:80]!r}: models take 1 to 64 letters, digits, '_' or '-'; for example name={suggestion!r}"
        )
    return name


def _check(name: str, fn: Callable[..., Any], idempotent: bool, read_only: bool, timeout: float | None) -> None:
    check_tool_name(name)
    if not inspect.isroutine(fn):
        raise DefinitionError(f"tool {name!r}: @tool goes on a function, not on {type(fn).__name__!r}; decorate a def")
    if idempotent and read_only:
        raise DefinitionError(
            f"tool {name!r} is declared idempotent and read_only: keep read_only if it changes nothing, else idempotent"
        )
    if timeout is not None and not (timeout > 0 and math.isfinite(timeout)):
        raise DefinitionError(f"tool {name!r}: timeout={timeout!r} must be seconds above 0, or None for no limit")


def _form(fn: Callable[..., Any]) -> ToolForm:
    plain = inspect.unwrap(fn)
    if inspect.isasyncgenfunction(plain) or inspect.isgeneratorfunction(plain):
        return "generator"
    return "async" if inspect.iscoroutinefunction(plain) else "sync"


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    if "\n" not in text:  # nothing to take apart
        return text, {}
    from docstring_parser import ParseError, parse

    try:
        parsed = parse(text)
    except ParseError:
        return text, {}
    body = "\n\n".join(part for part in (parsed.short_description, parsed.long_description) if part)
    return body, {item.arg_name: item.description for item in parsed.params if item.description}


def _dump_pydantic(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


def _refuse_nan(value: Any, where: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError(f"{where} is {value}; JSON has no such number, return None or a text")
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_nan(item, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _refuse_nan(item, f"{where}[{index}]")
