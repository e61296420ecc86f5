"""Renderers by name: built in, of installed packages, and registered by a program."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from tinker_core import ConfigError
from tinker_core.suggestion import known_names
from tinker_render.lineup import find_family, get_recommended_renderer_name
from tinker_render.renderer import Renderer
from tinker_render.tokenizer.load import get_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Factory = Callable[["PreTrainedTokenizerBase", Any], Renderer]
"""Makes a renderer from a tokenizer, and an image processor, a model name, or None."""

ENTRY_POINTS = "tinker.renderers"
"""Entry-point group of factories, each under the name of its renderer."""

FORMATS = {
    "chatml": "families.chatml:smollm2",
    "chatml_plain": "families.chatml:plain",
    "role_colon": "families.role_colon:role_colon",
    "template": "chat_template.template:template",
    "llama3": "families.llama3:llama3",
    "deepseekv3": "families.deepseek_v3:deepseekv3",
    "deepseekv3_disable_thinking": "families.deepseek_v3:deepseekv3",
    "deepseekv3_thinking": "families.deepseek_v3:deepseekv3_thinking",
    "gpt_oss_no_sysprompt": "families.gpt_oss:no_sysprompt",
    "gpt_oss_low_reasoning": "families.gpt_oss:low_reasoning",
    "gpt_oss_medium_reasoning": "families.gpt_oss:medium_reasoning",
    "gpt_oss_high_reasoning": "families.gpt_oss:high_reasoning",
    "kimi_k2": "families.kimi_k2:kimi_k2",
    "kimi_k25": "families.kimi_k25:kimi_k25",
    "kimi_k25_disable_thinking": "families.kimi_k25:kimi_k25_disable_thinking",
    "kimi_k26": "families.kimi_k25:kimi_k26",
    "kimi_k26_disable_thinking": "families.kimi_k25:kimi_k26_disable_thinking",
    "kimi_k26_preserve_thinking": "families.kimi_k25:kimi_k26_preserve_thinking",
    "gemma3": "families.gemma3:gemma3",
    "glm": "families.glm:glm",
    "glm_disable_thinking": "families.glm:glm_disable_thinking",
    "nemotron3": "families.nemotron3:nemotron3",
    "nemotron3_low_thinking": "families.nemotron3:nemotron3_low_thinking",
    "nemotron3_disable_thinking": "families.nemotron3:nemotron3_disable_thinking",
    "nemotron3_preserve_thinking": "families.nemotron3:nemotron3_preserve_thinking",
    "nemotron3_ultra": "families.nemotron3:nemotron3_ultra",
    "nemotron3_ultra_medium_thinking": "families.nemotron3:nemotron3_ultra_medium_thinking",
    "nemotron3_ultra_disable_thinking": "families.nemotron3:nemotron3_ultra_disable_thinking",
    "nemotron3_ultra_preserve_thinking": "families.nemotron3:nemotron3_ultra_preserve_thinking",
    "qwen3": "families.qwen3:thinking",
    "qwen3_disable_thinking": "families.qwen3:disable_thinking",
    "qwen3_instruct": "families.qwen3:instruct",
    "qwen3_vl": "families.qwen3:vl",
    "qwen3_vl_instruct": "families.qwen3:vl_instruct",
    "qwen3_5": "families.qwen3_5:qwen3_5",
    "qwen3_5_disable_thinking": "families.qwen3_5:qwen3_5_disable_thinking",
    "qwen3_6": "families.qwen3_5:qwen3_6",
    "qwen3_6_disable_thinking": "families.qwen3_5:qwen3_6_disable_thinking",
    "qwen3_8_xhigh_reasoning": "families.qwen3_5:qwen3_8_xhigh",
    "qwen3_8_medium_reasoning": "families.qwen3_5:qwen3_8_medium",
    "qwen3_8_low_reasoning": "families.qwen3_5:qwen3_8_low",
    "qwen3_8_disable_thinking": "families.qwen3_5:qwen3_8_disable_thinking",
}
"""Name of a renderer -> the module and function that make its format."""

_UNKNOWN_LENGTH = 10**9  # transformers sets about 10**30

_registered: dict[str, Factory] = {}


def get_renderer(
    name: str, tokenizer: PreTrainedTokenizerBase, image_processor: object | None = None
) -> Renderer:
    """The renderer of that name; `auto` is the one for the model of the tokenizer.

    `image_processor` is that of a vision model, or the model name to load it by when a message has
    an image. Raises ConfigError for an unknown name, and for a tokenizer without the control tokens
    of the format.
    """
    if name == "auto":
        name = get_recommended_renderer_name(tokenizer.name_or_path)
    if name in _registered:
        return _registered[name](tokenizer, image_processor)
    if name in FORMATS:
        module, function = FORMATS[name].split(":")
        make = getattr(import_module(f"tinker_render.{module}"), function)
        return Renderer(name=name, tokenizer=tokenizer, format=make(tokenizer, image_processor))
    for entry_point in entry_points(group=ENTRY_POINTS, name=name):
        factory: Factory = entry_point.load()
        return factory(tokenizer, image_processor)
    raise ConfigError(f"unknown renderer {name!r}; {known_names(name, renderer_names())}")


def renderer_for(model: str, name: str | None = None) -> Renderer:
    """The renderer of that name with the tokenizer of the model; the recommended one for `auto`."""
    renderer = get_renderer(renderer_name_for(model, name), get_tokenizer(model), model)
    return renderer.with_context_length(_context_length(model, renderer.tokenizer))


def renderer_name_for(model: str, name: str | None = None) -> str:
    """The name of the renderer that `renderer_for` returns."""
    return get_recommended_renderer_name(model) if name is None or name == "auto" else name


def _context_length(model: str, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The context of a model by the line-up, else by its tokenizer, which may not know it."""
    family = find_family(model)
    if family is not None:
        return family.context
    length = tokenizer.model_max_length
    return length if length < _UNKNOWN_LENGTH else None


def register_renderer(name: str, factory: Factory) -> None:
    """Register a renderer in this process. Raises ConfigError if the name is taken."""
    if name in renderer_names():
        raise ConfigError(f"a renderer {name!r} exists already")
    _registered[name] = factory


def unregister_renderer(name: str) -> None:
    """Remove a registered renderer. Raises ConfigError if there is none of that name."""
    if name not in _registered:
        raise ConfigError(f"no renderer {name!r} was registered")
    del _registered[name]


def renderer_names() -> list[str]:
    """All names of renderers, beside `auto`."""
    installed = [entry_point.name for entry_point in entry_points(group=ENTRY_POINTS)]
    return sorted({*FORMATS, *installed, *_registered})
