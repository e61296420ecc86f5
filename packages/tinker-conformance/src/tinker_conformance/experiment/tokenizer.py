"""The model's tokenizer, where this machine can have it."""

from __future__ import annotations

import threading
from typing import Any

from tinker_conformance.client.server import Server
from tinker_conformance.expect import BlockedError

PATIENCE_S = 20.0
"""A hub that cannot be reached is asked for minutes otherwise."""


def tokenizer(server: Server) -> Any:
    """The tokenizer; `BlockedError` when there is none here."""
    known = server.known
    if known.tokenizer is None and known.no_tokenizer is None:
        _load(server)
    if known.tokenizer is None:
        raise BlockedError(f"no tokenizer of {server.target.model} here: {known.no_tokenizer}")
    return known.tokenizer


def _load(server: Server) -> None:
    known, trainer = server.known, server.trainer()

    def load() -> None:
        try:
            known.tokenizer = trainer.client.get_tokenizer()
        except (OSError, ValueError, ImportError) as error:
            known.no_tokenizer = str(error)

    loader = threading.Thread(target=load, daemon=True)
    loader.start()
    loader.join(min(PATIENCE_S, server.timeout / 2))
    if known.tokenizer is None and known.no_tokenizer is None:
        known.no_tokenizer = "loading it takes too long"
