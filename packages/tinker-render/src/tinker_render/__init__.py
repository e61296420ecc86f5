"""Chat messages to tokens and back, one module per model family."""

from tinker_render.format.interface import Format
from tinker_render.images import get_image_processor
from tinker_render.lineup import LINEUP, Family, find_family, get_recommended_renderer_name
from tinker_render.parsing.reply_stream import (
    Delta,
    ReplyStream,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
)
from tinker_render.registry import (
    get_renderer,
    register_renderer,
    renderer_for,
    renderer_name_for,
    renderer_names,
    unregister_renderer,
)
from tinker_render.rendered import PlacedImage, Rendered
from tinker_render.renderer import NoBridge, Renderer
from tinker_render.tokenizer.load import get_tokenizer
from tinker_render.train_on_what import DEFAULT_TRAIN_ON_WHAT, TrainOnWhat

__all__ = [
    "DEFAULT_TRAIN_ON_WHAT",
    "LINEUP",
    "Delta",
    "Family",
    "Format",
    "NoBridge",
    "PlacedImage",
    "Rendered",
    "Renderer",
    "ReplyStream",
    "TextDelta",
    "ThinkingDelta",
    "ToolCallDelta",
    "TrainOnWhat",
    "find_family",
    "get_image_processor",
    "get_recommended_renderer_name",
    "get_renderer",
    "get_tokenizer",
    "register_renderer",
    "renderer_for",
    "renderer_name_for",
    "renderer_names",
    "unregister_renderer",
]
