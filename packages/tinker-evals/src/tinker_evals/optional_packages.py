"""Packages that only some tasks need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tinker_core import ConfigError


def extra(module: str, name: str, needed_by: str) -> Any:
    """The module; raises ConfigError that says which extra to install."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{needed_by} needs {error.name}: pip install 'tinker-evals[{name}]'"
        ) from error
