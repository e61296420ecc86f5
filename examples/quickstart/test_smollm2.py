"""The real model: its own chat template is the oracle, and it knows the capital of France."""

import asyncio

from transformers import PreTrainedTokenizerBase

from tinker_render import Renderer
from tinker_sl import Sampling, answer, renderer_for
from tinker_train import connect

MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
USER = {"role": "user", "content": "Name the capital of France."}
ASSISTANT = {"role": "assistant", "content": "Paris, of course; 1  2\n\n½ <|im_end|"}
SYSTEM = {"role": "system", "content": "Be brief."}


def templated(
    tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], *, prompt: bool
) -> list[int]:
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
    return tokenizer.encode(text, add_special_tokens=False)


def test_chatml_is_the_models_own_template() -> None:
    renderer: Renderer = renderer_for(MODEL)
    assert renderer.name == "chatml"
    for messages in ([USER], [SYSTEM, USER], [USER, ASSISTANT, USER], [SYSTEM, USER, ASSISTANT]):
        rendered = renderer.render(messages)
        assert rendered.tokens.tolist() == templated(renderer.tokenizer, messages, prompt=False)
        prompt = renderer.build_generation_prompt(messages)
        assert prompt.to_ints() == templated(renderer.tokenizer, messages, prompt=True)


def test_the_engine_answers_with_it() -> None:
    renderer = renderer_for(MODEL)
    with connect() as engine:
        sampler = engine.service.create_sampling_client(base_model=MODEL).result()
        outcome = asyncio.run(answer(sampler, renderer, [USER], Sampling(max_tokens=16)))
    assert "Paris" in outcome.message.text
