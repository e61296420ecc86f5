"""Make an untrained Llama of 1 M parameters, small enough for overheads to show.

    python scripts/make_random_model.py FOLDER

It has the tokenizer of `local/tiny`. Needs torch, transformers and tinker-local.
"""

import sys

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from tinker_local.catalog import resolve

CONFIG = LlamaConfig(
    vocab_size=1024,
    hidden_size=128,
    intermediate_size=384,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=2048,
    tie_word_embeddings=True,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
)


def main() -> None:
    (folder,) = sys.argv[1:]
    torch.manual_seed(0)
    model = LlamaForCausalLM(CONFIG)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(resolve("local/tiny")).save_pretrained(folder)
    print(f"{folder}: {sum(p.numel() for p in model.parameters()):,} parameters")


if __name__ == "__main__":
    main()
