"""Packages that only some tasks need."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from tinker_core import ConfigError


def import_extra(module: str, extra: str, needed_by: str) -> Any:
    """The module. Raises ConfigError that says which extra to install."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise _missing(error.name or module, extra, needed_by) from error


def check_extra(module: str, extra: str, needed_by: str) -> None:
    """Raise ConfigError where the module is not installed, without importing it."""
    if find_spec(module) is None:
        raise _missing(module, extra, needed_by)


def _missing(module: str, extra: str, needed_by: str) -> ConfigError:
    return ConfigError(f"{needed_by} needs {module}: pip install 'tinker-evals[{extra}]'")
