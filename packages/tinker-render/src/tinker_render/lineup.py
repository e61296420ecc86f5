"""The line-up of models: families, their kind, their context and their renderer."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Literal

from attrs import frozen

Kind = Literal["base", "chat", "hybrid", "reasoning", "vision"]


@frozen
class Family:
    """Models that share a chat format. `pattern` is a model name; `*` stands for any letters."""

    pattern: str
    kind: Kind
    """`hybrid` models answer with reasoning or without, as the prompt asks."""
    context: int
    """Length of the context in tokens."""
    renderer: str


LINEUP = (
    Family("local/tiny*", "chat", 1_024, "chatml_plain"),
    Family("local/smollm2-*", "chat", 8_192, "chatml"),
    Family("HuggingFaceTB/SmolLM2-*-Instruct", "chat", 8_192, "chatml"),
    Family("HuggingFaceTB/SmolLM2-*", "base", 8_192, "role_colon"),
    Family("Qwen/Qwen3-VL-*-Instruct*", "vision", 262_144, "qwen3_vl_instruct"),
    Family("Qwen/Qwen3-VL-*-Thinking*", "vision", 262_144, "qwen3_vl"),
    Family("Qwen/Qwen3-*-Base", "base", 32_768, "role_colon"),
    Family("Qwen/Qwen3-*-Instruct-2507*", "chat", 262_144, "qwen3_instruct"),
    Family("Qwen/Qwen3-*-Thinking-2507*", "reasoning", 262_144, "template"),
    Family("Qwen/Qwen3-Coder*", "chat", 262_144, "template"),
    Family("Qwen/Qwen3-*", "hybrid", 40_960, "qwen3"),
    Family("Qwen/Qwen3.5-*-Base", "base", 262_144, "role_colon"),
    Family("Qwen/Qwen3.5-*", "hybrid", 262_144, "qwen3_5"),
    Family("Qwen/Qwen3.6-*", "hybrid", 262_144, "qwen3_6"),
    Family("Qwen/Qwen3.8-*", "hybrid", 262_144, "qwen3_8_xhigh_reasoning"),
    Family("meta-llama/*Llama-3*-Instruct", "chat", 131_072, "llama3"),
    Family("meta-llama/*Llama-3*", "base", 131_072, "role_colon"),
    Family("deepseek-ai/DeepSeek-V3.1-Base", "base", 131_072, "role_colon"),
    Family("deepseek-ai/DeepSeek-V3.1*", "hybrid", 131_072, "deepseekv3"),
    Family("moonshotai/Kimi-K2-Thinking", "reasoning", 262_144, "kimi_k2"),
    Family("moonshotai/Kimi-K2.5*", "vision", 262_144, "kimi_k25"),
    Family("moonshotai/Kimi-K2.6*", "vision", 262_144, "kimi_k26"),
    Family("zai-org/GLM-4.5V*", "vision", 65_536, "template"),
    Family("zai-org/GLM-4.5-*Base", "base", 131_072, "role_colon"),
    Family("zai-org/GLM-4.5*", "hybrid", 131_072, "glm"),
    Family("zai-org/GLM-4.6V*", "vision", 131_072, "template"),
    Family("zai-org/GLM-4.6*", "hybrid", 202_752, "glm"),
    Family("google/gemma-3-*-it", "chat", 131_072, "gemma3"),
    Family("google/gemma-3-*-pt", "base", 131_072, "role_colon"),
    Family("nvidia/*Nemotron-3-Ultra*", "hybrid", 262_144, "nemotron3_ultra"),
    Family("nvidia/*Nemotron-3-*", "hybrid", 262_144, "nemotron3"),
    Family("openai/gpt-oss-*", "reasoning", 131_072, "gpt_oss_no_sysprompt"),
)
"""The family of a model is the first whose pattern matches."""


def get_recommended_renderer_name(model_name: str) -> str:
    """The renderer that a model was trained with; `template` for a model outside of `LINEUP`.

    `template` follows the chat template of the tokenizer and refuses what it cannot follow.
    """
    family = find_family(model_name)
    return "template" if family is None else family.renderer


def find_family(model_name: str) -> Family | None:
    """The family of a model in `LINEUP`; a suffix behind a colon is ignored."""
    name = model_name.split(":")[0].lower()
    matching = (family for family in LINEUP if fnmatch(name, family.pattern.lower()))
    return next(matching, None)
