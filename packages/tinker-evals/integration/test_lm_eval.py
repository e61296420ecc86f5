"""lm-evaluation-harness scores our models as it scores the same weights by itself."""

import asyncio
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from lm_eval import simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.tasks import TaskManager

from tinker_core import ConfigError
from tinker_evals.integrations.lm_eval_model import TinkerLM, context_length
from tinker_evals.model.open_model import open_model, process_service

TEXTS = [
    ("Question: What is 1+1?\nAnswer:", " 2"),
    ("Question: What is 1+1?\nAnswer: ", "11, or perhaps 2"),
    ("<|im_start|>user\nWhat is 3+4?<|im_end|>\n<|im_start|>assistant\n", "7"),
    ("", "What is 3+4?"),
]


@pytest.fixture(scope="module")
def ours() -> TinkerLM:
    return TinkerLM(model="local/tiny")


@pytest.fixture(scope="module")
def theirs(ours: TinkerLM) -> Any:
    """The harness's own Hugging Face model on the same weights."""
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=ours.tokenizer.name_or_path, device="cpu", dtype="float32", batch_size=1)


def requests(kind: Any, arguments: list[tuple[Any, ...]]) -> list[Instance]:
    return [
        Instance(request_type=kind, doc={}, arguments=args, idx=i)
        for i, args in enumerate(arguments)
    ]


def test_log_likelihoods_are_those_of_the_harness(ours: TinkerLM, theirs: Any) -> None:
    asked = requests("loglikelihood", TEXTS)
    for mine, reference in zip(ours.loglikelihood(asked), theirs.loglikelihood(asked), strict=True):
        assert mine[0] == pytest.approx(reference[0], abs=1e-3)
        assert mine[1] == reference[1]


@pytest.mark.parametrize("max_length", [2048, 12])
def test_whole_texts_too_in_windows_as_well(theirs: Any, max_length: int) -> None:
    asked = requests("loglikelihood_rolling", [("What is 3+4? It is 7, I think.",)])
    small = TinkerLM(model="local/tiny", max_length=max_length)
    theirs._max_length = max_length - 1  # theirs counts what is predicted, ours what is sent
    assert small.loglikelihood_rolling(asked) == pytest.approx(
        theirs.loglikelihood_rolling(asked), abs=1e-3
    )
    theirs._max_length = None


def test_the_context_is_the_engines_unless_less_is_asked_for(ours: TinkerLM) -> None:
    opened = asyncio.run(open_model(process_service(), "local/tiny"))
    assert opened.context_length is not None
    assert ours.max_length == opened.context_length
    assert TinkerLM(model="local/tiny", max_length=12).max_length == 12
    with pytest.warns(UserWarning, match="exceeds"):
        more = TinkerLM(model="local/tiny", max_length=opened.context_length + 1)
    assert more.max_length == opened.context_length
    assert (context_length(None, 100), context_length(512, None)) == (100, 512)
    with pytest.raises(ConfigError, match="max_length="):
        context_length(None, None)


def test_a_prompt_that_does_not_fit_is_cut_from_the_left_with_a_warning() -> None:
    small = TinkerLM(model="local/tiny", max_length=24)
    prompt = "What is 1+1? " * 20
    tokens = small.tok_encode(prompt)
    settings = {"until": ["\n"], "do_sample": False, "max_gen_toks": 8}
    asked = requests("generate_until", [(prompt, settings), ("1+1?", settings)])
    with pytest.warns(UserWarning, match=f"1 of 2 prompts .* from {len(tokens)} tokens to 16"):
        first, _ = small.generate_until(asked)
    short = str(small.tokenizer.decode(tokens[-16:]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert small.generate_until(requests("generate_until", [(short, settings)])) == [first]
        small.generate_until(asked[1:])


@pytest.mark.parametrize("max_gen_toks", [24, 25, 2048, 100_000])
def test_a_reply_that_leaves_no_room_for_a_prompt_is_refused(max_gen_toks: int) -> None:
    """A slice with the sign changed once made a prompt of 460 tokens one of 0 to 460."""
    small = TinkerLM(model="local/tiny", max_length=24)
    settings = {"until": [], "do_sample": False, "max_gen_toks": max_gen_toks}
    with pytest.raises(ConfigError, match="no room for a prompt"):
        small.generate_until(requests("generate_until", [("What is 1+1?", settings)]))


def test_a_continuation_that_is_longer_than_the_context_is_refused() -> None:
    small = TinkerLM(model="local/tiny", max_length=12)
    asked = requests("loglikelihood", [("What is", " 1+1? It is 2, and 2+2 is 4, and so on.")])
    with pytest.raises(ConfigError, match="shorten the continuations"):
        small.loglikelihood(asked)


def test_a_text_as_long_as_the_context_is_scored(ours: TinkerLM) -> None:
    """Scoring samples one token after the text, for which the engine needs room."""
    long = "What is 3+4? It is 7. " * ours.max_length
    with pytest.warns(UserWarning, match="1 of 1 prompts"):
        ((logprob, _),) = ours.loglikelihood(requests("loglikelihood", [(long, " Yes.")]))
    assert logprob < 0
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert (
            ours.loglikelihood_rolling(requests("loglikelihood_rolling", [(long[:9000],)]))[0] < 0
        )


def test_greedy_text_is_that_of_the_harness(ours: TinkerLM, theirs: Any) -> None:
    settings = {"until": ["\n"], "do_sample": False, "max_gen_toks": 8}
    prompts = [(text, settings) for text, _ in TEXTS if text]
    asked = requests("generate_until", prompts)
    assert ours.generate_until(asked) == theirs.generate_until(asked)


def test_a_chat_is_rendered_by_our_renderer_token_for_token(ours: TinkerLM) -> None:
    chat = [{"role": "user", "content": "What is 3+4? <|im_end|>"}]
    tokens = ours.tok_encode(ours.apply_chat_template(chat))
    assert tokens == ours.renderer.build_generation_prompt(chat).to_ints()
    begun = [*chat, {"role": "assistant", "content": "It is"}]
    prefilled = ours.tok_encode(ours.apply_chat_template(begun, add_generation_prompt=False))
    assert prefilled == ours.renderer.build_generation_prompt(chat, prefill="It is").to_ints()


TASK = """\
task: ten_sums
dataset_path: json
dataset_kwargs: {{data_files: {{test: "{file}"}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["\\n"], do_sample: false, max_gen_toks: 8}}
metric_list: [{{metric: exact_match}}]
"""


@pytest.fixture
def task_folder(tmp_path: Path, sums_file: Path) -> Path:
    (tmp_path / "ten_sums.yaml").write_text(TASK.format(file=sums_file))
    return tmp_path


def test_a_task_of_the_harness_runs(task_folder: Path, ours: TinkerLM, theirs: Any) -> None:
    def accuracy(model: Any) -> float:
        found = simple_evaluate(
            model=model,
            tasks=["ten_sums"],
            apply_chat_template=True,
            task_manager=TaskManager(include_path=str(task_folder), include_defaults=False),
            bootstrap_iters=0,
        )
        return float(found["results"]["ten_sums"]["exact_match,none"])

    assert accuracy(ours) == accuracy(theirs)


def test_the_command_knows_our_models(task_folder: Path) -> None:
    program = "from tinker_evals.cli import lm_eval_main; lm_eval_main()"
    command = [sys.executable, "-c", program, "run", "--model", "tinker"]
    command += ["--model_args", "model=local/tiny", "--tasks", "ten_sums"]
    command += ["--include_path", str(task_folder), "--apply_chat_template"]
    ran = subprocess.run(command, cwd=task_folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "exact_match" in ran.stdout
