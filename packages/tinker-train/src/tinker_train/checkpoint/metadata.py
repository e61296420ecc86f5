"""The facts of a checkpoint's training, as the engine stores them with the checkpoint."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping

import tinker

from tinker_core import EngineError
from tinker_core.engine.errors import engine_errors

logger = logging.getLogger(__name__)


async def read_metadata(service: tinker.ServiceClient, path: str) -> Mapping[str, str]:
    """The `user_metadata` of a `tinker://` path; empty for a checkpoint that has none.

    Also empty for a checkpoint that the engine does not list, as one of somebody else, which can
    be opened all the same.
    """
    run = path.removeprefix("tinker://").split("/")[0]
    with warnings.catch_warnings():
        # Deprecated for tinker.RestClient, which would need the engine's address and key.
        warnings.simplefilter("ignore", FutureWarning)
        rest = service.create_rest_client()
    try:
        with engine_errors(f"metadata of {path}"):
            rows = (await rest.list_checkpoints(run)).checkpoints
    except EngineError as error:
        logger.info("%s", error)
        return {}
    return next((row.user_metadata or {} for row in rows if row.tinker_path == path), {})


def trained_renderer(metadata: Mapping[str, str], path: str, asked: str | None) -> str | None:
    """The renderer asked for, else that of the training; warns if another than that is asked for.

    None if nobody names one.
    """
    trained = metadata.get("renderer")
    if asked is None or asked == "auto":
        return trained
    if trained is not None and asked != trained:
        logger.warning("%s was trained with the renderer %s, not with %s", path, trained, asked)
    return asked
