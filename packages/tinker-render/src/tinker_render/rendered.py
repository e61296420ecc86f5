"""A rendered conversation: tokens that know their origin."""

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
    """Token ids; 0 where an image stands."""
    message: NDArray[np.int64]
    """Index of the message, -1 for what belongs to none (a BOS token, a default system prompt)."""
    content: NDArray[np.bool_]
    """What a message says, the end of its turn included; not the header around it."""
    sampled: NDArray[np.bool_]
    """The model would emit it."""
    images: tuple[PlacedImage, ...] = ()

    def cut(self, length: int) -> Rendered:
        """The first `length` tokens; an image that does not fit whole must not be cut."""
        return Rendered(
            tokens=self.tokens[:length],
            message=self.message[:length],
            content=self.content[:length],
            sampled=self.sampled[:length],
            images=tuple(image for image in self.images if image.start < length),
        )

    @property
    def model_input(self) -> tinker.ModelInput:
        """The tokens and images as the SDK takes them; no chunk is empty."""
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
