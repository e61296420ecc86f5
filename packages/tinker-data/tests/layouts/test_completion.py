"""Prompt and completion: only the completion is trained on."""

from tinker_data import RawRow, Rendering, read_conversation, render_conversation

PROMPT = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "GIVEN"},
    {"role": "user", "content": "b"},
]


def trained(renderer, row):
    rendered = render_conversation(read_conversation(RawRow(content=row)), renderer, Rendering())
    inputs = [datum.loss_fn_inputs for datum in rendered.datums]
    tokens = [
        token
        for each in inputs
        for token, weight in zip(
            each["target_tokens"].tolist(), each["weights"].tolist(), strict=True
        )
        if weight
    ]
    return renderer.tokenizer.decode(tokens)


def test_an_answer_in_the_prompt_is_not_trained_on(renderer):
    row = {"prompt": PROMPT, "completion": [{"role": "assistant", "content": "LEARNED"}]}
    assert trained(renderer, row) == "LEARNED<|im_end|>"
    assert trained(renderer, {"prompt": PROMPT, "completion": "x"}) == "x<|im_end|>"


def test_a_weight_in_the_prompt_decides(renderer):
    prompt = [PROMPT[0], {**PROMPT[1], "weight": 1}, PROMPT[2]]
    assert trained(renderer, {"prompt": prompt, "completion": "x"}) == "GIVEN<|im_end|>x<|im_end|>"
