"""The files of a checkpoint at an engine, by the addresses that it gives out.

SDK 0.38 offers files of external weights alone. A training checkpoint is loaded into a session of
its own and exported as external weights, which are deleted afterwards. Sampler weights cannot be
downloaded.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import tinker
from attrs import define, field

from tinker_core import CheckpointError
from tinker_core.engine.address import EngineAddress
from tinker_core.engine.errors import engine_errors
from tinker_weights.checkpoint.path import CheckpointPath
from tinker_weights.download.fetch import Progress, fetch
from tinker_weights.download.safe_name import inside

logger = logging.getLogger(__name__)

_EXPORT_S = 3600
"""The lifetime of an export that could not be deleted; renewed with its addresses."""
_MARGIN = timedelta(minutes=5)
_CLOSE_S = 5.0


def fetch_files(
    path: CheckpointPath, folder: Path, address: EngineAddress, progress: Progress | None
) -> None:
    """Download the files of a checkpoint into a folder, which may hold some from an earlier call.

    Raises CheckpointError for sampler weights, and EngineError.
    """
    if path.kind == "sampler_weights":
        raise CheckpointError(
            f"{path}: engines let nobody download sampler weights; name the training checkpoint "
            "(tinker://<run>/weights/<name>) that was saved with them"
        )
    rest = tinker.RestClient(base_url=address.base_url, api_key=address.api_key)
    if path.kind == "external_weights":
        _Addresses(rest, str(path)).fetch_all(folder, progress)
        return
    with _exported(path, folder / ".export", rest, address) as export:
        _Addresses(rest, export, renew_s=_EXPORT_S).fetch_all(folder, progress)


@define
class _Addresses:
    """Addresses of the files of external weights, asked for again before they expire."""

    rest: tinker.RestClient
    path: str
    renew_s: int | None = None
    """Sets the lifetime of the weights to this whenever addresses are asked for."""
    _urls: dict[str, str] = field(factory=dict)
    _expires: datetime | None = None

    def fetch_all(self, folder: Path, progress: Progress | None) -> None:
        self._ask()
        if not self._urls:
            raise CheckpointError(f"{self.path} has no files")
        targets = {name: inside(folder, name) for name in sorted(self._urls)}
        for name, target in targets.items():
            if target.is_file():
                continue  # from an earlier call: a file gets its name when it is whole
            target.parent.mkdir(parents=True, exist_ok=True)
            fetch(lambda name=name: self._url(name), target, progress=progress)  # type: ignore[misc]

    def _url(self, name: str) -> str:
        if self._expires is None or datetime.now(UTC) >= self._expires - _MARGIN:
            self._ask()
        return self._urls[name]

    def _ask(self) -> None:
        with engine_errors(f"the addresses of {self.path}"):
            answer = self.rest.get_external_weights_urls(self.path).result()
            if self.renew_s is not None:
                self.rest.set_checkpoint_ttl_from_tinker_path(self.path, self.renew_s).result()
        self._urls, self._expires = dict(answer.urls), answer.expires


@contextmanager
def _exported(
    path: CheckpointPath, note: Path, rest: tinker.RestClient, address: EngineAddress
) -> Iterator[str]:
    """External weights of a training checkpoint. They are deleted once everything is here.

    `note` remembers them, so that a download that broke off goes on with the same files.
    """
    export = _noted(note, rest)
    if export is None:
        export = _export(path, address)
        note.write_text(json.dumps({"path": export}), encoding="utf-8")
    yield export
    note.unlink(missing_ok=True)
    try:
        rest.delete_checkpoint_from_tinker_path(export).result()
    except tinker.TinkerError as error:
        logger.warning("%s could not be deleted (%s); it expires in an hour", export, error)


def _noted(note: Path, rest: tinker.RestClient) -> str | None:
    """The export of an earlier call, if the engine still has it."""
    try:
        export: Any = json.loads(note.read_text(encoding="utf-8"))["path"]
        rest.get_external_weights_urls(export).result()
    except (OSError, ValueError, KeyError, TypeError, tinker.TinkerError):
        return None
    return str(export)


def _export(path: CheckpointPath, address: EngineAddress) -> str:
    logger.info("exporting %s: the engine loads it for that", path)
    service = tinker.ServiceClient(
        user_metadata={"created_by": "tinker-weights download"},
        base_url=address.base_url,
        api_key=address.api_key,
    )
    status: Literal["success", "errored"] = "errored"
    try:
        with engine_errors(f"the export of {path}"):
            training = service.create_training_client_from_state(str(path)).result()
            saved = training.save_weights_external("download", ttl_seconds=_EXPORT_S).result()
        status = "success"
        return saved.path
    finally:
        try:
            service.close(status).result(timeout=_CLOSE_S)
        except (tinker.TinkerError, TimeoutError) as error:
            logger.info("the session was not closed: %s", error)
