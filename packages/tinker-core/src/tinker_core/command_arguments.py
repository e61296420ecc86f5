"""Check the names in the arguments of a command line, and complete its optional parts.

The command lines are made by tyro. It reports missing options before misspelt ones, and it wants
`kl-penalty:kl-penalty` before `--kl-penalty.coefficient`. When it refuses the arguments, the names
that it knows are read from its help texts: a name that is not among them is reported first, and an
option of an optional part selects that part.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from attrs import frozen

from tinker_core.errors import ConfigError
from tinker_core.suggestion import did_you_mean, known_names

T = TypeVar("T")
Parse = Callable[[list[str]], T]
_ONE_LINE, _ONE_COLUMN = 1000, 100  # wider helps have two columns of options
_OPTION = re.compile(r"^  ((?:-\w, )?--[a-z][\w.-]*(?:, --[\w.-]+)*)")
_PART = re.compile(r"^    • ([\w.:-]+)")
_RULE = re.compile(r" *-[- ]*| *- .* -+ *")
_PLAIN = str.maketrans("│╭╮╰╯─", "     -")  # the frame of a box


class UsageError(ConfigError):
    """Arguments that the parser refuses."""


def parse_arguments(parse: Parse[T], given: list[str], context: Sequence[str] = ()) -> T:
    """The value that the arguments stand for. Raises ConfigError for a name that is not known.

    `context` names options that decide which other options there are.
    """
    try:
        return _parse_quietly(parse, given)
    except UsageError:
        arranged = arrange(parse, given, context)
        if arranged == given:
            raise
        return _parse_quietly(parse, arranged)


def arrange(parse: Parse[Any], given: list[str], context: Sequence[str] = ()) -> list[str]:
    """The arguments with the parts that their options select; the parts come first.

    Raises ConfigError for an unknown command, and for an unknown or ambiguous option.
    """
    command: list[str] = []
    root = _read_help(parse, [])
    if root.parts and given and not given[0].startswith("-"):
        command = [_known_command(given[0], root)]
    rest = given[len(command) :]
    start = [*command, *_values_of(rest, context)]
    names = _read_help(parse, start)
    places = [i for i in _free(rest, names) if _is_part(rest[i], names)]
    chosen = [rest[i] for i in places]
    for option in filter(None, dict.fromkeys(map(_option_name, rest))):
        if option in names.options:
            continue
        known = _read_help(parse, [*start, *chosen])
        if option not in known.options:
            chosen.append(_part_with(option, parse, [*start, *chosen], known))
    return [*command, *chosen, *(each for i, each in enumerate(rest) if i not in places)]


@frozen
class _Names:
    """The names in a help text."""

    options: frozenset[str]
    flags: frozenset[str]
    """Options without a value."""
    parts: tuple[str, ...]
    """Commands, or the parts of a config that can still be selected."""


def _known_command(name: str, root: _Names) -> str:
    if name not in root.parts:
        raise ConfigError(f"unknown command {name!r}; {known_names(name, root.parts)}")
    return name


def _is_part(argument: str, names: _Names) -> bool:
    """True for the name of a part. Raises ConfigError for a misspelt one."""
    if argument not in names.parts and (similar := did_you_mean(argument, names.parts, 0.8)):
        raise ConfigError(f"unknown argument {argument!r}; {similar}")
    return argument in names.parts


def _part_with(option: str, parse: Parse[Any], start: list[str], known: _Names) -> str:
    """The only part of the config that has the option."""
    of_parts = {part: _read_help(parse, [*start, part]).options for part in known.parts}
    owners = [part for part, options in of_parts.items() if option in options]
    if len(owners) == 1:
        return owners[0]
    if owners:
        raise ConfigError(f"{option} belongs to {' and to '.join(owners)}: name one of them")
    similar = did_you_mean(option, sorted(known.options.union(*of_parts.values())))
    raise ConfigError("; ".join(filter(None, [f"unknown option {option}", similar])))


def _free(arguments: Sequence[str], names: _Names) -> Iterator[int]:
    """The places of the arguments that are neither options nor the first value of one."""
    before = ""
    for i, argument in enumerate(arguments):
        takes_value = before.startswith("--") and "=" not in before and before not in names.flags
        if not argument.startswith("--") and not takes_value:
            yield i
        before = argument


def _option_name(argument: str) -> str:
    """`--max-steps` of `--max_steps=3`; empty for an argument that is not an option."""
    found = re.match(r"--[A-Za-z][\w.-]*", argument)
    return found[0].replace("_", "-") if found else ""


def _values_of(arguments: list[str], names: Sequence[str]) -> list[str]:
    """The given options of these names with their values."""
    found = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
        if argument in names:
            found += [argument, following]
        elif argument.partition("=")[0] in names:
            found.append(argument)
    return found


def help_text(parse: Parse[Any], arguments: list[str]) -> str:
    """The help text that `--help` after the arguments prints."""
    text = io.StringIO()
    with _width(_ONE_COLUMN), contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        parse([*arguments, "--help"])
    return text.getvalue()


def _read_help(parse: Parse[Any], arguments: list[str]) -> _Names:
    """The names in the help text of the command that the arguments name."""
    lines = help_text(parse, arguments).splitlines()
    options = [found[1].split(", ") for line in lines if (found := _OPTION.match(line))]
    parts = tuple(found[1] for line in lines if (found := _PART.match(line)))
    return _Names(
        options=frozenset(name for names in options for name in names) | {"--help"},
        flags=frozenset(name for names in options if len(names) > 1 for name in names),
        parts=parts,
    )


def _parse_quietly(parse: Parse[T], arguments: list[str]) -> T:
    """Parse, and raise UsageError with the first complaint of the parser as one line."""
    if {"-h", "--help"} & set(arguments):
        return parse(arguments)
    said = io.StringIO()
    try:
        with _width(_ONE_LINE), contextlib.redirect_stderr(said):
            parsed = parse(arguments)
    except SystemExit as ended:
        if ended.code != 2:
            raise
        raise UsageError(_first_complaint(said.getvalue())) from None
    sys.stderr.write(said.getvalue())
    return parsed


@contextlib.contextmanager
def _width(columns: int) -> Iterator[None]:
    """Let the parser write for a terminal of this width."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(columns)
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def _first_complaint(said: str) -> str:
    """The first paragraph of what tyro says, without help texts, and the command for the help.

    Value error
    -------------------------------------------------
    Error parsing config.adam: 'eps' must be > 0: 0.0
    -------------------------------------------------
    For full helptext, see tinker-sl --help
    """
    paragraphs: list[list[str]] = [[]]
    for line in filter(str.strip, said.translate(_PLAIN).splitlines()):
        if _RULE.fullmatch(line):
            paragraphs.append([])
        elif not line.startswith(" " * 9):  # the help text of an option
            paragraphs[-1].append(line)
    text = " ".join(" ".join(paragraphs[min(1, len(paragraphs) - 1)]).split())
    text = re.sub(r"__tyro[\w-]*__\.?|\bconfig\.", "", text)
    helps = re.findall(
        r"(?:^|run |see )\s*(\S[^:]*? --help)$", " ".join(said.translate(_PLAIN).split())
    )
    return f"{text} ({helps[-1]})" if helps else text
