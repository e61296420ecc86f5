"""Adapters that vLLM and SGLang load, by architecture and module.

Read from the source of vLLM 0.33 and SGLang 0.5.23; `tests/export/vllm.json` has the excerpts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from tinker_core import CheckpointError
from tinker_weights.base_model.tensor_names import canonical, is_unembedding

Target = Literal["peft", "vllm", "sglang"]
"""The program that loads the adapter."""

VLLM_WITHOUT_LORA = frozenset(
    {
        *("BloomForCausalLM", "Cohere2MoeForCausalLM", "DbrxForCausalLM", "DeepseekV32ForCausalLM"),
        *("DeepseekV4ForCausalLM", "DeepseekVLV2ForCausalLM", "FalconForCausalLM"),
        *("FalconMambaForCausalLM", "GPT2LMHeadModel", "GPTJForCausalLM", "Gemma3nForCausalLM"),
        *(
            "Gemma3nForConditionalGeneration",
            "GlmMoeDsaForCausalLM",
            "KimiK25ForConditionalGeneration",
        ),
        *("KimiLinearForCausalLM", "KimiVLForConditionalGeneration", "Mamba2ForCausalLM"),
        *("LlavaOnevisionForConditionalGeneration", "MambaForCausalLM", "MiMoV2FlashForCausalLM"),
        *("OrionForCausalLM", "Phi3VForCausalLM", "Qwen2AudioForConditionalGeneration"),
        *("StableLmForCausalLM", "Step3TextForCausalLM", "Zamba2ForCausalLM"),
    }
)
"""Architectures that vLLM serves without adapters."""

VLLM_FUSED_EXPERTS = frozenset({"GptOssForCausalLM", "Qwen3VLMoeForConditionalGeneration"})
"""Architectures whose experts vLLM loads from one tensor for all, as PEFT's target_parameters."""

_SGLANG = frozenset(
    {
        *("q_proj", "k_proj", "v_proj", "qkv_proj", "o_proj", "gate_proj", "up_proj"),
        *("gate_up_proj", "down_proj", "embed_tokens", "lm_head", "q_a_proj", "q_b_proj"),
        *("kv_a_proj_with_mqa", "kv_b_proj", "in_proj", "in_proj_qkv", "in_proj_z", "in_proj_a"),
        *("in_proj_b", "out_proj"),
    }
)
"""The last part of the paths of the modules that SGLang knows."""


_MAMBA = ("mamba", "mamba2", "falcon_mamba", "falcon_h1", "nemotron_h")
_PEFT_MIXTURES = (
    *("afmoe", "cohere2_moe", "deepseek_v2", "deepseek_v3", "dots1", "ernie4_5_moe", "exaone_moe"),
    *("flex_olmo", "glm4_moe", "glm4_moe_lite", "glm4v_moe", "hunyuan_v1_moe", "longcat_flash"),
    *("minimax", "minimax_m2", "olmoe", "qwen3_moe", "qwen3_next", "qwen3_omni_moe", "solar_open"),
)
_PEFT_REFUSES = {
    **dict.fromkeys(_MAMBA, ("out_proj", "conv1d")),
    # PEFT takes every layer of these names for the experts, which are no layers in transformers 5.
    **dict.fromkeys(_PEFT_MIXTURES, ("gate", "gate_proj", "up_proj", "down_proj")),
}
"""By model type, the last part of the paths of linear layers that PEFT 0.21 refuses or drops."""


def check_target(
    target: Target, architecture: str, model_type: str, modules: Iterable[str]
) -> None:
    """Raise CheckpointError, which says what to do, for what the target cannot load."""
    modules = tuple(modules)
    if target == "peft":
        names = {_last(module) for module in modules if not module.endswith(".experts")}
        refused = names & {*_PEFT_REFUSES.get(model_type, ())}
        if refused:
            raise CheckpointError(
                f"PEFT loads no adapter on {', '.join(sorted(refused))} of {model_type}: {MERGE}"
            )
    if target == "vllm":
        _check_vllm(architecture, modules)
    if target == "sglang":
        unknown = sorted({name for module in modules if (name := _last(module)) not in _SGLANG})
        if unknown:
            raise CheckpointError(f"SGLang loads no adapter on {', '.join(unknown)}: {MERGE}")


def _check_vllm(architecture: str, modules: tuple[str, ...]) -> None:
    if architecture in VLLM_WITHOUT_LORA:
        raise CheckpointError(f"vLLM serves {architecture} without adapters: {MERGE}")
    ends = sorted({_last(module) for module in modules if is_embedding_or_unembedding(module)})
    if ends:
        raise CheckpointError(
            f"the adapter changes {', '.join(ends)}. vLLM loads adapters on the unembedding or the "
            "embeddings for some architectures and versions only, and never both ends of a tied "
            f"one: {MERGE}, or train with train_unembed=False"
        )


def is_embedding_or_unembedding(module: str) -> bool:
    """True if a module maps to or from the vocabulary."""
    return is_unembedding(module) or canonical(module) in ("embed_tokens", "wte", "word_embeddings")


def _last(module: str) -> str:
    return canonical(module).rpartition(".")[-1]


MERGE = "merge it into the base model (`tinker-weights merge`) and serve the merged model"
