"""Tools that the model may call, made from typed functions."""

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

_OF_VALUES = (ValueError, TypeError, ArithmeticError, LookupError)


class ToolError(PostTrainingError, ValueError):
    """Raised in a tool: the text becomes the result that the model gets to see."""


@frozen(kw_only=True)
class ToolResult:
    """What a call gives back."""

    text: str
    stop: bool = False
    """Whether the episode ends with it."""
    is_error: bool = False
    """Whether the call was bad."""
    metrics: Metrics = field(factory=dict)


@frozen(kw_only=True)
class Tool:
    """A function that the model may call."""

    spec: ToolSpec
    function: Callable[..., Any]
    arguments: type[pydantic.BaseModel]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function itself, as if it had not been decorated."""
        return self.function(*args, **kwargs)


def tool(function: Callable[..., Any]) -> Tool:
    """A tool from a typed function, plain or async; use it as a decorator.

    The name and the docstring describe it to the model, `Annotated[int, "how many"]` a parameter.
    It returns text, a `ToolResult`, or a value that is written as JSON. What it raises about values
    (ToolError, ValueError, TypeError, ArithmeticError, LookupError) is a bad call, which the model
    is told of; anything else is a broken world. Raises ConfigError for a parameter without a type.
    """
    name = function.__name__
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ConfigError(f"tool {name}: *{parameter.name} cannot be described to a model")
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
    """The result of a call that the model made; a bad call's result says what is wrong with it.

    Raises what the tool raises about the world.
    """
    found = tools.get(wanted.name)
    if found is None:
        known = ", ".join(sorted(tools)) or "none"
        return _bad(f"there is no tool {wanted.name!r}; there are: {known}")
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
    except _OF_VALUES as error:
        return _bad(f"{type(error).__name__}: {error}")
    if isinstance(result, ToolResult):
        return result
    return ToolResult(text=result if isinstance(result, str) else json.dumps(result))


def result_message(wanted: ToolCall, result: ToolResult) -> Message:
    """The result as the message that answers the call."""
    return Message(role="tool", content=result.text, tool_call_id=wanted.id, name=wanted.name)


def by_name(tools: Sequence[Tool]) -> dict[str, Tool]:
    """The tools by name; raises ConfigError where two have the same."""
    named = {each.spec.name: each for each in tools}
    if len(named) != len(tools):
        raise ConfigError(f"two tools have the same name: {[each.spec.name for each in tools]}")
    return named


def _bad(problem: str) -> ToolResult:
    return ToolResult(text=f"error: {problem}", is_error=True)


Grade = float | tuple[float, Metrics]
Grader = Callable[[Sequence[Message]], Grade | Awaitable[Grade]]
"""The reward of a whole conversation, alone or with metrics; plain (run in a thread) or async."""
