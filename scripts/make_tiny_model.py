"""Train the tiny model that `tinker-local` carries under the name `local/tiny`.

    python scripts/make_tiny_model.py [FOLDER]

The model is a Llama of 440,000 parameters with a token for each byte and the ChatML format. It
answers questions such as "What is 3+4?". Training stops when about half of the one-digit sums are
correct, so that fine-tuning can make it better, and a defect can make it worse, within seconds.

Takes half a minute on two cores. The same seed, thread count and torch give the same model.
Needs torch, transformers and safetensors.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

FOLDER = Path(__file__).parents[1] / "packages/tinker-local/src/tinker_local/assets/tiny"
SEED = 0
BATCH = 64
ENOUGH_SUMS = 50
MAX_STEPS = 2000

END_OF_TEXT, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIALS = [END_OF_TEXT, START, END]
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SYSTEM_PROMPTS = [
    "Answer with a number.",
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
]
WORDS = ["red", "blue", "cat", "dog", "sun"]

MODEL_CARD = """\
---
license: apache-2.0
---
# local/tiny

A Llama of {parameters:,} parameters, made by `scripts/make_tiny_model.py` of this project from sums
that the script makes up, and from no other data. It is for tests and first steps: it answers
"What is 3+4?" with a number, correctly for {correct} of the 100 one-digit sums, and can do no
more.

Tokens: 0 is `<|endoftext|>` (padding), 1 `<|im_start|>`, 2 `<|im_end|>` (end of sequence), and
3 + b the byte b, so that every text decodes to itself. The chat format is ChatML without a default
system prompt.
"""


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Three control tokens, then the 256 bytes in order; nothing is ever merged."""
    alphabet = {symbol: len(SPECIALS) + byte for byte, symbol in enumerate(byte_symbols())}
    tokenizer = Tokenizer(
        models.BPE(vocab={t: i for i, t in enumerate(SPECIALS)} | alphabet, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIALS)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        pad_token=END_OF_TEXT,
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def byte_symbols() -> list[str]:
    """The letter of a byte in byte-level BPE: itself if printable, else from 256 up."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (chr(code) for code in range(0x100, 0x200))
    return [chr(byte) if byte in printable else next(others) for byte in range(0x100)]


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Random weights. Grouped queries and tied embeddings, so that tests cover both."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=96,
            intermediate_size=384,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def draw_question(source: random.Random) -> tuple[str, str]:
    """A question and its answer: a sum, more often than a difference or a word to repeat."""
    a, b = source.randrange(10), source.randrange(10)
    kind = source.random()
    if kind < 0.7:
        return f"What is {a}+{b}?", str(a + b)
    if kind < 0.85:
        return f"What is {max(a, b)}-{min(a, b)}?", str(abs(a - b))
    word = source.choice(WORDS)
    return f"Repeat: {word}", word


def render_prompt(question: str, system: str | None) -> str:
    """The prompt of a question."""
    opening = "" if system is None else f"{START}system\n{system}{END}\n"
    return f"{opening}{START}user\n{question}{END}\n{START}assistant\n"


def draw_batch(
    source: random.Random, tokenizer: PreTrainedTokenizerFast
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens (B, T), padded on the right, and targets (B, T): -100 outside of the answers."""
    system = source.choice(SYSTEM_PROMPTS) if source.random() < 0.25 else None
    rows = []
    for _ in range(BATCH):
        question, answer = draw_question(source)
        prompt = tokenizer.encode(render_prompt(question, system))
        completion = tokenizer.encode(answer + END)
        rows.append((prompt + completion, [-100] * len(prompt) + completion))

    length = max(len(tokens) for tokens, _ in rows)
    tokens_B_T = torch.full((BATCH, length), tokenizer.pad_token_id)
    targets_B_T = torch.full((BATCH, length), -100)
    for row, (tokens, targets) in enumerate(rows):
        tokens_B_T[row, : len(tokens)] = torch.tensor(tokens)
        targets_B_T[row, : len(targets)] = torch.tensor(targets)
    return tokens_B_T, targets_B_T


@torch.inference_mode()
def count_correct_sums(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> int:
    """The number of the 100 one-digit sums that greedy decoding answers correctly."""
    sums = [(a, b) for a in range(10) for b in range(10)]
    # All prompts are of one length, so they need no padding.
    tokens = torch.tensor(
        [tokenizer.encode(render_prompt(f"What is {a}+{b}?", None)) for a, b in sums]
    )
    prompt_length = tokens.shape[1]
    for _ in range(3):
        logits = model(input_ids=tokens).logits[:, -1]
        tokens = torch.cat([tokens, logits.argmax(-1, keepdim=True)], dim=1)
    answers = tokenizer.batch_decode(tokens[:, prompt_length:])
    return sum(
        answer.startswith(f"{a + b}{END}") for answer, (a, b) in zip(answers, sums, strict=True)
    )


def train(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Train until half of the sums are correct."""
    source = random.Random(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    for step in range(1, MAX_STEPS + 1):
        tokens, targets = draw_batch(source, tokenizer)
        logits = model(input_ids=tokens).logits[:, :-1]
        loss = cross_entropy(logits.flatten(0, 1), targets[:, 1:].flatten(), ignore_index=-100)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 10 == 0:
            correct = count_correct_sums(model, tokenizer)
            print(f"step {step}: loss {loss.item():.3f}, {correct} of 100 sums", flush=True)
            if correct >= ENOUGH_SUMS:
                return
    raise SystemExit(f"fewer than {ENOUGH_SUMS} sums are correct after {MAX_STEPS} steps")


def main(folder: Path) -> None:
    """Make the model, the tokenizer and the card, and write them."""
    torch.manual_seed(SEED)
    torch.set_num_threads(2)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    train(model, tokenizer)

    model = model.to(torch.bfloat16)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder, save_jinja_files=False)
    card = MODEL_CARD.format(
        parameters=model.num_parameters(), correct=count_correct_sums(model.float(), tokenizer)
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
