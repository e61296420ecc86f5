"""Images of messages: the bytes as given, with the number of tokens of each image."""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache
from importlib import import_module
from io import BytesIO
from typing import Any, Literal

from attrs import frozen
from tinker.types import ImageChunk

from tinker_core import ConfigError, ImagePart, Message, TextPart
from tinker_render.format.message_text import refuse, refuse_reasoning
from tinker_render.segments import SegmentWriter

_FORMATS: dict[str | None, Literal["png", "jpeg"]] = {"PNG": "png", "JPEG": "jpeg"}


@lru_cache(maxsize=16)
def get_image_processor(model_name: str) -> Any:
    """The image processor of a model, from a folder or from the Hugging Face hub.

    Raises ConfigError if there is none.
    """
    from transformers import AutoImageProcessor

    auto: Any = AutoImageProcessor  # it has no annotations
    try:
        return auto.from_pretrained(model_name)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(f"no image processor for {model_name!r}: {error}") from error


@frozen
class Images:
    """The markup around images in a family, and the processor that counts their tokens."""

    family: str
    bounds: tuple[str, str]
    """Markup in front of an image and behind it."""
    processor: Any
    """The image processor of the model, the model name to load it by, or None for texts alone."""

    def write(self, writer: SegmentWriter, index: int, message: Message) -> None:
        """Write the texts and images of a message. Raises RenderError for other parts."""
        for part in message.content or (TextPart(""),):
            match part:
                case TextPart(text):
                    writer.text(text)
                case ImagePart(image):
                    writer.markup(self.bounds[0])
                    writer.image(self._chunk(index, message, image))
                    writer.markup(self.bounds[1])
                case _:
                    raise refuse_reasoning(index, message, self.family)

    def _chunk(self, index: int, message: Message, image: bytes | str) -> ImageChunk:
        if self.processor is None:
            call = f"get_renderer({self.family!r}, tokenizer, get_image_processor(model))"
            raise refuse(index, message, f"an image needs an image processor: {call}")
        try:
            pillow = import_module("PIL.Image")
        except ImportError as error:
            raise ConfigError("images need Pillow: pip install tinker-render[images]") from error
        try:
            data = _encoded(image)
            with pillow.open(BytesIO(data)) as picture:
                if picture.format not in _FORMATS:
                    raise ValueError(f"an image must be PNG or JPEG, not {picture.format}")
                return ImageChunk(
                    data=data,
                    format=_FORMATS[picture.format],
                    expected_tokens=_token_count(self.processor, picture),
                )
        except ConfigError:
            raise
        except (ValueError, pillow.UnidentifiedImageError) as error:
            raise refuse(index, message, str(error)) from error


def _encoded(image: bytes | str) -> bytes:
    if isinstance(image, bytes):
        return image
    head, _, data = image.partition(",")
    if not (head.startswith("data:") and head.endswith(";base64")):
        raise ValueError(
            f"an image is bytes or a data: URL in base64; URLs are not fetched: {image!r:.80}"
        )
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError(f"the base64 of an image is broken: {error}") from error


def _token_count(processor: Any, picture: Any) -> int:
    """The number of tokens by the size of the image, a `PIL.Image`; no pixel is decoded."""
    if isinstance(processor, str):
        processor = get_image_processor(processor)
    width, height = picture.size
    if hasattr(processor, "get_number_of_image_patches"):  # transformers' own
        patches = processor.get_number_of_image_patches(height, width, {})
        return int(patches // processor.merge_size**2)
    if hasattr(processor, "get_resize_config"):  # Kimi's, which is published beside the weights
        return int(processor.get_resize_config({"type": "image", "image": picture})["num_tokens"])
    raise ConfigError(f"{type(processor).__name__} does not tell how many tokens an image has")
