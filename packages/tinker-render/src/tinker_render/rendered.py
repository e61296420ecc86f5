"""A rendered conversation: tokens with their origin."""

from __future__ import annotations

import numpy as np
import tinker
from attrs import frozen
from numpy.typing import NDArray
from tinker.types import ImageChunk


@frozen
class PlacedImage:
    """An image and the index of its first token."""

    start: int
    chunk: ImageChunk


@frozen(kw_only=True, eq=False)
class Rendered:
    """A conversation of T tokens and the origin of each. All columns have shape (T,)."""

    tokens: NDArray[np.int64]
    """Token ids; 0 at the positions of an image."""
    message: NDArray[np.int64]
    """Index of the message; -1 for tokens of no message (BOS, default system prompt)."""
    content: NDArray[np.bool_]
    """The token is part of the content of the message or the end of its turn, not of its header."""
    sampled: NDArray[np.bool_]
    """The model emits the token."""
    images: tuple[PlacedImage, ...] = ()

    def cut(self, length: int) -> Rendered:
        """The first `length` tokens. The cut must not go through an image."""
        return Rendered(
            tokens=self.tokens[:length],
            message=self.message[:length],
            content=self.content[:length],
            sampled=self.sampled[:length],
            images=tuple(image for image in self.images if image.start < length),
        )

    @property
    def model_input(self) -> tinker.ModelInput:
        """The tokens and images as chunks of the SDK; no chunk is empty."""
        chunks: list[tinker.ModelInputChunk] = []
        at = 0
        for image in self.images:
            chunks += self._text(at, image.start)
            chunks.append(image.chunk)
            at = image.start + image.chunk.length
        return tinker.ModelInput(chunks=[*chunks, *self._text(at, len(self.tokens))])

    def _text(self, start: int, stop: int) -> list[tinker.ModelInputChunk]:
        tokens = self.tokens[start:stop].tolist()
        return [tinker.EncodedTextChunk(tokens=tokens)] if tokens else []
