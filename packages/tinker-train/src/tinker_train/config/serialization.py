"""Configs to JSON data and back. Every attrs value is stored with the name of its class.

So there is one rule for nested configs, for unions (`Every | Never`) and for the user's own classes
behind an interface: the class is imported by the name in the file.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import tomllib
import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn
from cattrs.v import format_exception

from tinker_core import ConfigError
from tinker_train.config.cadence import Cadence, parse_cadence

_TYPE = "type"


def to_plain(config: Any) -> dict[str, Any]:
    """An attrs value as JSON data; `type` in each dictionary is the name of its class."""
    plain: dict[str, Any] = _CONVERTER.unstructure(config)
    return plain


def from_plain(plain: dict[str, Any], expected: Any = None) -> Any:
    """The attrs value of JSON data; the inverse of `to_plain`.

    A dictionary without a class name, as in a handwritten file, has the class that its field
    declares, or `expected`. Raises ConfigError for a class that cannot be imported, an unknown
    field and an invalid value.
    """
    try:
        return _CONVERTER.structure(plain, _class_for(plain, expected))
    except cattrs.BaseValidationError as error:
        problems = cattrs.transform_error(error, format_exception=_problem)
        raise ConfigError("; ".join(problems)) from error


def read_config_file(path: Path, expected: type) -> Any:
    """The config in a TOML or JSON file, or in the config.json of a run.

    Raises ConfigError, which names the file.
    """
    try:
        text = path.read_text(encoding="utf-8")
        plain = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if isinstance(plain, dict) and isinstance(plain.get("config"), dict):
        plain = plain["config"]
    try:
        return from_plain(plain, expected)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def flatten(plain: Any, path: str = "") -> dict[str, str]:
    """All fields of a config's JSON data: path (`adam.eps`) to value as JSON."""
    if not isinstance(plain, dict):
        return {path: json.dumps(plain)}
    found: dict[str, str] = {}
    for key, value in plain.items():
        found.update(flatten(value, f"{path}.{key}" if path else key))
    return found


def differences(a: dict[str, Any], b: dict[str, Any], path: str = "") -> list[str]:
    """The fields in which two configs' JSON data differ, each as `nested.field: a != b`."""
    found = []
    for key in sorted(a.keys() | b.keys()):
        left, right, name = a.get(key), b.get(key), f"{path}{key}"
        if isinstance(left, dict) and isinstance(right, dict):
            found += differences(left, right, f"{name}.")
        elif left != right:
            found.append(f"{name}: {left!r} != {right!r}")
    return found


def class_name(cls: type) -> str:
    """The name of a class in a file: `module:Class`."""
    module = _script() if cls.__module__ == "__main__" else cls.__module__
    return f"{module}:{cls.__qualname__}"


def _script() -> str:
    """The module name of `__main__`, by which another program can import it."""
    main = sys.modules["__main__"]
    if main.__spec__ is not None:  # python -m
        return main.__spec__.name
    return Path(getattr(main, "__file__", "__main__")).stem


def _problem(error: BaseException, expected: type | None) -> str:
    """The message of a validator, which cattrs would replace by "invalid value"."""
    if isinstance(error, ValueError) and error.args:
        return str(error.args[0])
    return format_exception(error, expected)


def _class_for(plain: Any, expected: Any) -> type:
    unnamed = isinstance(plain, dict) and _TYPE not in plain
    if unnamed and inspect.isclass(expected) and attrs.has(expected):
        return expected
    if not isinstance(plain, dict) or not isinstance(plain.get(_TYPE), str):
        raise ConfigError(f"a config needs a {_TYPE!r} with the name of its class: {plain!r:.80}")
    module, _, name = plain[_TYPE].partition(":")
    try:
        found: Any = importlib.import_module("__main__" if module == _script() else module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{plain[_TYPE]} cannot be imported here: {error}") from error
    if not (inspect.isclass(found) and attrs.has(found)):
        raise ConfigError(f"{plain[_TYPE]} is not an attrs class")
    return found


def _is_chosen_by_name(cls: Any) -> bool:
    """True for config classes, unions with one in it, and interfaces that they implement."""
    if get_origin(cls) in (Union, types.UnionType):
        return any(_is_chosen_by_name(arg) for arg in get_args(cls))
    if not inspect.isclass(cls):
        return False
    is_interface = getattr(cls, "_is_protocol", False) or inspect.isabstract(cls)
    return attrs.has(cls) or is_interface


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    structure_as: dict[type, Any] = {}
    unstructure_as: dict[type, Any] = {}

    def structure(plain: Any, expected: Any) -> Any:
        if plain is None and type(None) in get_args(expected):
            return None
        if isinstance(plain, str) and expected == get_args(Cadence)[0]:
            return parse_cadence(plain)
        cls = _class_for(plain, expected)
        if cls not in structure_as:
            structure_as[cls] = make_dict_structure_fn(cls, converter)
        return structure_as[cls]({k: v for k, v in plain.items() if k != _TYPE}, cls)

    def unstructure(value: Any) -> Any:
        if not attrs.has(type(value)):
            return converter.unstructure(value)
        if type(value) not in unstructure_as:
            unstructure_as[type(value)] = make_dict_unstructure_fn(type(value), converter)
        return {_TYPE: class_name(type(value)), **unstructure_as[type(value)](value)}

    converter.register_structure_hook_func(_is_chosen_by_name, structure)
    converter.register_unstructure_hook_func(_is_chosen_by_name, unstructure)
    converter.register_structure_hook(Path, lambda value, _: Path(value))
    converter.register_unstructure_hook(Path, str)
    return converter


_CONVERTER = _make_converter()
