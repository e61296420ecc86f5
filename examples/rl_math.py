"""Mathematics: GSM8K, graded by math-verify.

    pip install math-verify datasets
    python rl_math.py --model Qwen/Qwen3-8B --sampling.max-tokens 1024 --max-steps 100
    python rl_math.py --data.path problems.jsonl         your own rows {"question", "answer"}
    python rl_math.py                                    a few sums, to test the script

The reward is 1 for an answer that equals the reference mathematically: 0.5 equals 1/2. The answer
is the content of \\boxed{} or, without a box, the last number. `ProblemFile` calls `is_right` in
processes that are killed where an answer such as 2^{1000000000} takes too long.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import evolve

from tinker_core import PostTrainingError
from tinker_rl import (
    Config,
    Ppo,
    ProblemFile,
    Sampling,
    TrainResult,
    UpdateConfig,
    command_line,
    new_run_dir,
    train,
)
from tinker_rl.data.answer_match import number
from tinker_train import Adam

SYSTEM = "Solve the problem step by step. Put the final answer in \\boxed{}."


def is_right(answer: str, reference: str) -> bool:
    """True if the answer equals the reference; without math-verify, if their numbers are equal."""
    verify = _math_verify()
    wanted = reference.split("####")[-1].strip()  # GSM8K writes the answer after this mark
    return number(answer, wanted) if verify is None else verify(answer, wanted)


def _math_verify() -> Callable[[str, str], bool] | None:
    try:
        from math_verify import parse, verify
    except ImportError:
        return None
    # no time limits: `ProblemFile` kills a check that takes too long
    return lambda answer, wanted: verify(
        parse(wanted, parsing_timeout=None),
        parse(answer, parsing_timeout=None),
        timeout_seconds=None,
    )


def problems(path: Path, rows: list[dict[str, Any]]) -> ProblemFile:
    """Write the rows to a file. Eight of them are held out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ProblemFile(
        path=path, check=f"{Path(__file__).stem}:is_right", system=SYSTEM, test_rows=8
    )


def gsm8k() -> list[dict[str, Any]]:
    """The training rows, from the Hugging Face hub."""
    from datasets import load_dataset

    return list(load_dataset("openai/gsm8k", "main", split="train"))


def few_sums() -> list[dict[str, Any]]:
    """Rows to test the script with."""
    return [{"question": f"What is {a}+{a}?", "answer": f"#### {a + a}"} for a in range(1, 40)]


def main(arguments: list[str] | None = None) -> TrainResult:
    """Train, and print the outcome."""
    run_dir = new_run_dir("math")
    default = Config(
        model="local/tiny",
        data=problems(Path(f"{run_dir}.jsonl"), few_sums()),
        run_dir=run_dir,
        adam=Adam(learning_rate=1e-4),
        sampling=Sampling(max_tokens=16),
        update=UpdateConfig(loss=Ppo(), remove_constant_groups=True),
        max_steps=3,
    )
    config = command_line(default, arguments, __doc__)
    if config.model != default.model and config.data == default.data:
        config = evolve(config, data=problems(Path(f"{run_dir}.jsonl"), gsm8k()))
    result = train(config)
    print(f"held-out problems right: {result.metrics['test/env/all/correct']:.0%}")
    return result


if __name__ == "__main__":
    try:
        main()
    except PostTrainingError as error:
        sys.exit(f"rl_math: {error}")
