"""Configurations of tiny random models, one for each way in which architectures store weights."""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig, PreTrainedConfig

SIZES: dict[str, Any] = {
    "vocab_size": 260,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 96,
    "pad_token_id": 0,
    "eos_token_id": 257,
    "bos_token_id": 1,
}
_OLD: dict[str, Any] = {
    "vocab_size": 260, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "pad_token_id": 0, "eos_token_id": 257, "bos_token_id": 1,
}  # fmt: skip
_GPT: dict[str, Any] = {
    "vocab_size": 260, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 96,
    "pad_token_id": 0, "eos_token_id": 257, "bos_token_id": 1,
}  # fmt: skip
_MLA: dict[str, Any] = {
    "q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8,
    "v_head_dim": 8,
}  # fmt: skip
_MIXTURE: dict[str, Any] = {"num_experts_per_tok": 2, "moe_intermediate_size": 16}
_MLA_SIZES = {
    **{key: value for key, value in SIZES.items() if key != "head_dim"},
    "num_key_value_heads": 4,
}
_NO_HEAD_DIM = {key: value for key, value in SIZES.items() if key != "head_dim"}


def _of(model_type: str, **settings: Any) -> PreTrainedConfig:
    return AutoConfig.for_model(model_type, **settings)


ARCHITECTURES: dict[str, PreTrainedConfig] = {
    # Grouped attention, with and without a tied unembedding.
    "llama": _of("llama", **SIZES, tie_word_embeddings=False),
    "llama tied": _of("llama", **SIZES, tie_word_embeddings=True),
    "llama with biases": _of("llama", **SIZES, attention_bias=True, mlp_bias=True),
    "mistral": _of("mistral", **SIZES, sliding_window=4),
    "qwen2 tied": _of("qwen2", **SIZES, tie_word_embeddings=True),
    "qwen3 tied": _of("qwen3", **SIZES, tie_word_embeddings=True),
    "gemma tied": _of("gemma", **SIZES),
    "gemma2 tied": _of("gemma2", **SIZES),
    "gemma3_text tied": _of("gemma3_text", **SIZES),
    "cohere tied": _of("cohere", **_NO_HEAD_DIM),
    "cohere2 tied": _of("cohere2", **_NO_HEAD_DIM),
    "granite": _of("granite", **SIZES, logits_scaling=3.0, embedding_multiplier=2.0),
    "smollm3 tied": _of("smollm3", **SIZES),
    "olmo": _of("olmo", **_NO_HEAD_DIM),
    "olmo2": _of("olmo2", **_NO_HEAD_DIM),
    "exaone4": _of("exaone4", **SIZES),
    "seed_oss": _of("seed_oss", **SIZES),
    "helium": _of("helium", **SIZES),
    "nemotron": _of("nemotron", **SIZES),
    "stablelm": _of("stablelm", **_NO_HEAD_DIM),
    "starcoder2 tied": _of("starcoder2", **_NO_HEAD_DIM),
    "ernie4_5 tied": _of("ernie4_5", **SIZES),
    "apertus": _of("apertus", **SIZES),
    "arcee": _of("arcee", **SIZES),
    # Fused projections.
    "phi3 (qkv_proj, gate_up_proj)": _of("phi3", **SIZES),
    "glm (gate_up_proj)": _of("glm", **SIZES),
    "gpt2 (c_attn, Conv1D) tied": _of("gpt2", **_GPT),
    "gpt_neox (query_key_value)": _of("gpt_neox", **_OLD, intermediate_size=48),
    "bloom (query_key_value) tied": _of("bloom", **_OLD),
    "falcon (query_key_value, one head) tied": _of("falcon", **_OLD, multi_query=True),
    "gpt_bigcode (c_attn) tied": _of("gpt_bigcode", **_GPT, n_inner=48),
    "mpt (Wqkv) tied": _of("mpt", vocab_size=260, d_model=32, n_layers=2, n_heads=4),
    "codegen (qkv_proj)": _of("codegen", **_GPT, rotary_dim=4),
    "persimmon (query_key_value)": _of("persimmon", **_OLD, intermediate_size=48),
    # Older layouts: biases everywhere, learned positions.
    "phi (bias of the unembedding)": _of("phi", **_NO_HEAD_DIM),
    "gptj (bias of the unembedding)": _of("gptj", **_GPT, rotary_dim=4),
    "gpt_neo tied": _of(
        "gpt_neo", vocab_size=260, hidden_size=32, num_layers=2, num_heads=4,
        attention_types=[[["global", "local"], 1]], window_size=4, max_position_embeddings=96,
    ),
    "opt tied": _of(
        "opt", **_OLD, ffn_dim=48, max_position_embeddings=96, word_embed_proj_dim=32,
    ),
    # Multi-head latent attention.
    "minicpm3 tied": _of("minicpm3", **_MLA_SIZES, **_MLA),
    # State space and hybrids.
    "mamba tied": _of("mamba", vocab_size=260, hidden_size=32, num_hidden_layers=2),
    "lfm2 tied": _of("lfm2", **_NO_HEAD_DIM, layer_types=["conv", "full_attention"]),
    # Mixtures of experts: the linear layers outside the experts.
    "mixtral": _of("mixtral", **SIZES, num_local_experts=4, num_experts_per_tok=2),
    "qwen3_moe": _of("qwen3_moe", **SIZES, **_MIXTURE, num_experts=4),
    "qwen2_moe (shared expert)": _of(
        "qwen2_moe", **_NO_HEAD_DIM, **_MIXTURE, num_experts=4, shared_expert_intermediate_size=16
    ),
    "olmoe": _of("olmoe", **_NO_HEAD_DIM, num_experts=4, num_experts_per_tok=2),
    "gpt_oss": _of("gpt_oss", **SIZES, num_local_experts=4, num_experts_per_tok=2),
    "granitemoe tied": _of(
        "granitemoe", **_NO_HEAD_DIM, num_local_experts=4, num_experts_per_tok=2,
        tie_word_embeddings=True,
    ),
    "deepseek_v3 (latent attention, shared experts)": _of(
        "deepseek_v3", **_MLA_SIZES, **_MIXTURE, **_MLA, n_routed_experts=4, n_shared_experts=1,
        first_k_dense_replace=1, n_group=1, topk_group=1,
    ),
    "glm4_moe (shared experts)": _of(
        "glm4_moe", **SIZES, **_MIXTURE, n_routed_experts=4, n_shared_experts=1,
        first_k_dense_replace=1, n_group=1, topk_group=1,
    ),
}  # fmt: skip

_SMALL: dict[str, Any] = {**SIZES, "num_hidden_layers": 1}
MIXTURES: dict[str, PreTrainedConfig] = {
    # One tensor for each expert.
    "mixtral (w1, w2, w3)": ARCHITECTURES["mixtral"],
    "qwen3_moe (gate_proj, up_proj, down_proj)": ARCHITECTURES["qwen3_moe"],
    "olmoe": ARCHITECTURES["olmoe"],
    "deepseek_v3": ARCHITECTURES["deepseek_v3 (latent attention, shared experts)"],
    "glm4_moe": ARCHITECTURES["glm4_moe (shared experts)"],
    "minimax_m2": _of("minimax_m2", **SIZES, num_local_experts=4, num_experts_per_tok=2),
    "jamba": _of(
        "jamba", **_NO_HEAD_DIM, num_experts=4, num_experts_per_tok=2, attn_layer_offset=0,
        attn_layer_period=1, expert_layer_offset=0, expert_layer_period=1, use_mamba_kernels=False,
    ),
    # One tensor for all experts.
    "granitemoe (input_linear)": ARCHITECTURES["granitemoe tied"],
    "gpt_oss (transposed, gate and up alternate)": ARCHITECTURES["gpt_oss"],
    "gpt_oss of square matrices": _of(
        "gpt_oss", **{**SIZES, "intermediate_size": 32}, num_local_experts=4, num_experts_per_tok=2
    ),
    "llama4_text (transposed)": _of(
        "llama4_text", **SIZES, intermediate_size_mlp=48, num_local_experts=4, moe_layers=[0, 1],
        no_rope_layers=[1, 1], attention_chunk_size=64,
    ),
}  # fmt: skip

_TEXT: dict[str, Any] = {**SIZES, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}
_MROPE: dict[str, Any] = {
    **SIZES,
    "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4},
}
_CLIP: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4,
    "image_size": 28, "patch_size": 14,
}  # fmt: skip
_QWEN_VISION: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 48, "depth": 1, "num_heads": 4, "out_hidden_size": 32,
}  # fmt: skip
_QWEN_TOKENS: dict[str, Any] = {
    "image_token_id": 250, "video_token_id": 251, "vision_start_token_id": 252,
    "vision_end_token_id": 253,
}  # fmt: skip
VISION: dict[str, PreTrainedConfig] = {
    "gemma3 tied": _of(
        "gemma3", text_config=_TEXT, vision_config=_CLIP, mm_tokens_per_image=4,
        image_token_index=255,
    ),
    "llava": _of(
        "llava", text_config={"model_type": "llama", **_TEXT},
        vision_config={"model_type": "clip_vision_model", "projection_dim": 32, **_CLIP},
        image_token_index=255,
    ),
    "mistral3 tied": _of(
        "mistral3", text_config={"model_type": "mistral", **_TEXT},
        vision_config={"model_type": "pixtral", **_CLIP}, image_token_index=255,
        tie_word_embeddings=True,
    ),
    "qwen2_5_vl": _of(
        "qwen2_5_vl", text_config=_MROPE, vision_config=_QWEN_VISION, **_QWEN_TOKENS
    ),
    "qwen3_vl": _of(
        "qwen3_vl", text_config=_MROPE,
        vision_config={
            **_QWEN_VISION, "num_position_embeddings": 16, "deepstack_visual_indexes": [0],
        },
        **_QWEN_TOKENS,
    ),
    "qwen3_5 tied": _of(
        "qwen3_5",
        text_config={
            **SIZES, "tie_word_embeddings": True,
            "linear_num_key_heads": 2, "linear_num_value_heads": 4,
            "linear_key_head_dim": 8, "linear_value_head_dim": 8,
            "layer_types": ["linear_attention", "full_attention"],
        },
        vision_config={**_QWEN_VISION, "num_position_embeddings": 16},
        tie_word_embeddings=True,
        **_QWEN_TOKENS,
    ),
}  # fmt: skip
