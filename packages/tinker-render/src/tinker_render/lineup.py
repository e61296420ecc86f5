"""The model lineup: families, what they are, and which renderer they were trained with."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Literal

from attrs import frozen

Kind = Literal["base", "chat", "hybrid", "reasoning", "vision"]


@frozen
class Family:
    """Models that share a chat format. `pattern` is a model's name, `*` for any letters."""

    pattern: str
    kind: Kind
    """`hybrid` models think or do not, as they are asked."""
    context: int
    """Tokens that fit into the model."""
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
"""The first family whose pattern fits is a model's."""


def get_recommended_renderer_name(model_name: str) -> str:
    """The renderer that a model was trained with; `template` for a model that is not in `LINEUP`.

    That one follows the tokenizer's own chat template, and refuses where it cannot.
    """
    name = model_name.split(":")[0].lower()
    fitting = (family for family in LINEUP if fnmatch(name, family.pattern.lower()))
    return next((family.renderer for family in fitting), "template")
