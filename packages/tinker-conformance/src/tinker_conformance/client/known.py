"""Facts about a server that one check finds out and later checks use."""

from __future__ import annotations

from typing import Any

from attrs import define


@define(eq=False)
class Known:
    """Measured once for each worker."""

    squared_norm: float | None = None
    """Of the gradient of the probe at a warm model."""
    learns: bool = False
    """Training was seen to change logprobs."""
    tokenizer: Any = None
    no_tokenizer: str | None = None
    """The reason why there is no tokenizer of the model here."""
