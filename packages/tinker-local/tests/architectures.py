"""Tiny random models of the causal architectures of the installed transformers."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

# fmt: off
_SIZES: dict[str, Any] = {
    "vocab_size": 260, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    "max_position_embeddings": 256, "sliding_window": 16, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 257, "tie_word_embeddings": False,
    # Mixtures of experts.
    "num_experts": 4, "n_routed_experts": 4, "num_local_experts": 4, "moe_num_experts": 4,
    "num_experts_per_tok": 2, "moe_topk": 2, "moe_k": 2, "top_k_experts": 2,
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16, "shared_intermediate_size": 16,
    "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1, "expert_ffn_hidden_size": 16,
    # Multi-head latent attention.
    "q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8,
    "v_head_dim": 8, "index_topk": 16, "index_n_heads": 2, "index_head_dim": 16,
    # State-space and linear attention layers.
    "state_size": 8, "time_step_rank": 4, "mamba_d_state": 8, "mamba_n_heads": 4,
    "mamba_d_head": 16, "mamba_num_heads": 4, "mamba_head_dim": 16, "mamba_n_groups": 1,
    "ssm_state_size": 8, "n_groups": 1, "mamba_dt_rank": 4, "mamba_expand": 2,
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8,
    "linear_value_head_dim": 8, "num_heads": 4, "num_k_heads": 2, "lru_width": 32,
    # Older names.
    "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, "n_inner": 48, "n_ctx": 256,
    "ffn_dim": 48, "word_embed_proj_dim": 32, "d_model": 32, "n_heads": 4, "n_layers": 2,
    "max_seq_len": 256, "rotary_dim": 4, "num_layers": 2, "ffn_hidden_size": 48,
    "attention_heads": 4,
}
"""Set where the configuration has an attribute of that name."""
_CHANGES: dict[str, dict[str, Any]] = {}
# fmt: on


def tiny_config(model_type: str, **changes: Any) -> PreTrainedConfig:
    """The configuration of a model of a few thousand parameters."""
    default = AutoConfig.for_model(model_type)
    sizes = {
        name: size
        for name, size in _SIZES.items()
        if hasattr(default, name) and not isinstance(getattr(type(default), name, None), property)
    }
    return AutoConfig.for_model(model_type, **{**sizes, **_CHANGES.get(model_type, {}), **changes})


ALL = list(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
