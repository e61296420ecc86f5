"""Finding losses: those of this folder, and those of the user."""

from __future__ import annotations

import importlib
import inspect
import math
import os
import pkgutil
import sys
from collections.abc import Mapping
from pathlib import Path

import attrs

from tinker_local.errors import RequestError
from tinker_local.training.losses.loss import Loss

LossRegistry = Mapping[str, type[Loss]]
"""Loss classes by name."""


def built_in_losses() -> dict[str, type[Loss]]:
    """The complete losses in the modules of this folder."""
    package = __package__ or ""
    modules = [
        importlib.import_module(f"{package}.{module.name}")
        for module in pkgutil.iter_modules([str(Path(__file__).parent)])
    ]
    classes = [
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Loss) and not inspect.isabstract(value)
    ]
    return {loss.name: loss for loss in classes}


def import_loss(reference: str) -> type[Loss]:
    """The class that `module:Class` names. The working directory is searched, too."""
    module, _, name = reference.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise RequestError(
            f"invalid loss {reference!r}: expected <module>:<class>: {error}"
        ) from error
    if not (inspect.isclass(found) and issubclass(found, Loss)) or inspect.isabstract(found):
        raise RequestError(f"invalid loss {reference!r}: it is no complete subclass of Loss")
    return found


def configure_loss(losses: LossRegistry, name: str, config: Mapping[str, float | str]) -> Loss:
    """The loss of this name with this config. RequestError names what is unknown or invalid."""
    if name not in losses:
        raise RequestError(f"unknown loss {name!r}: expected one of {', '.join(losses)}")
    keys = [field.name for field in attrs.fields(losses[name])]
    for key, value in config.items():
        if key not in keys:
            known = ", ".join(keys) or "none"
            raise RequestError(f"loss {name!r} has no config key {key!r}; its keys are: {known}")
        if isinstance(value, str) or math.isnan(value):
            raise RequestError(f"loss {name!r}: config {key!r} must be a number, not {value!r}")
    try:
        return losses[name](**{key: float(value) for key, value in config.items()})
    except ValueError as error:
        raise RequestError(f"loss {name!r}: {error}") from error
