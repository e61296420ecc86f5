"""Tools that the model can call, made from typed functions."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pydantic
from attrs import field, frozen
from pydantic.fields import FieldInfo

from tinker_core import ConfigError, DataError, Message, PostTrainingError, ToolCall, ToolSpec
from tinker_rl.user_code import call
from tinker_train import Metrics

_BAD_CALL = (ValueError, TypeError, ArithmeticError, LookupError)


class ToolError(PostTrainingError, ValueError):
    """Raised in a tool for a bad call. The model sees its text as the result."""


@frozen(kw_only=True)
class ToolResult:
    """The result of a call."""

    text: str
    stop: bool = False
    """True ends the episode."""
    is_error: bool = False
    """True for a bad call."""
    metrics: Metrics = field(factory=dict)


@frozen(kw_only=True)
class Tool:
    """A function that the model can call."""

    spec: ToolSpec
    function: Callable[..., Any]
    arguments: type[pydantic.BaseModel]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function directly."""
        return self.function(*args, **kwargs)


def tool(function: Callable[..., Any]) -> Tool:
    """A decorator that makes a tool from a typed function, plain or async.

    The model sees the name, the docstring, and `Annotated[int, "how many"]` of a parameter. The
    function returns text, a `ToolResult`, or a value that is written as JSON. ToolError,
    ValueError, TypeError, ArithmeticError and LookupError are bad calls, whose error the model
    sees; any other exception is a failure of the environment. Raises ConfigError for a parameter
    without a type.
    """
    name = function.__name__
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ConfigError(f"tool {name}: *{parameter.name} has no JSON schema")
        if parameter.name not in hints:
            raise ConfigError(f"tool {name}: parameter {parameter.name} has no type")
        fields[parameter.name] = _field(hints[parameter.name], parameter.default)
    arguments = pydantic.create_model(
        name, __config__=pydantic.ConfigDict(extra="forbid"), **fields
    )
    schema = arguments.model_json_schema()
    schema.pop("title")
    for described in schema["properties"].values():
        described.pop("title", None)
    description = inspect.getdoc(function) or ""
    spec = ToolSpec(name=name, description=description, parameters=schema)
    return Tool(spec=spec, function=function, arguments=arguments)


def _field(hint: Any, default: Any) -> tuple[Any, FieldInfo]:
    described = [part for part in get_args(hint)[1:] if isinstance(part, str)]
    given = {} if default is inspect.Parameter.empty else {"default": default}
    if get_origin(hint) is Annotated and described:
        given["description"] = described[0]
    info: FieldInfo = pydantic.Field(**given)
    return hint, info


async def run_call(tools: Mapping[str, Tool], wanted: ToolCall) -> ToolResult:
    """Run a call of the model. The result of a bad call states what is wrong.

    Raises the tool's exceptions that are failures of the environment.
    """
    found = tools.get(wanted.name)
    if found is None:
        known = ", ".join(sorted(tools)) or "none"
        return _bad(f"unknown tool {wanted.name!r}; the tools are: {known}")
    try:
        given = found.arguments.model_validate(wanted.parsed_arguments)
    except DataError as error:
        return _bad(str(error))
    except pydantic.ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        return _bad("; ".join(problems))
    arguments = {name: getattr(given, name) for name in type(given).model_fields}
    try:
        result = await call(found.function, **arguments)
    except _BAD_CALL as error:
        return _bad(f"{type(error).__name__}: {error}")
    if isinstance(result, ToolResult):
        return result
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    return ToolResult(text=text)


def result_message(wanted: ToolCall, result: ToolResult) -> Message:
    """The message that answers a call."""
    return Message(role="tool", content=result.text, tool_call_id=wanted.id, name=wanted.name)


def by_name(tools: Sequence[Tool]) -> dict[str, Tool]:
    """The tools by name. Raises ConfigError for two of the same name."""
    named = {each.spec.name: each for each in tools}
    if len(named) != len(tools):
        raise ConfigError(f"two tools have the same name: {[each.spec.name for each in tools]}")
    return named


def _bad(problem: str) -> ToolResult:
    return ToolResult(text=f"error: {problem}", is_error=True)


Grade = float | tuple[float, Metrics]
Grader = Callable[[Sequence[Message]], Grade | Awaitable[Grade]]
"""The reward of a conversation, alone or with metrics. A plain function runs in a thread."""
