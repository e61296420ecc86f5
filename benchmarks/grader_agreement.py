"""How often graders agree with labels that were written by hand.

    pip install 'lm-eval[math]' inspect-ai
    python benchmarks/grader_agreement.py [--disagreements]

The replies lie in `packages/tinker-evals/tests/graders/labelled`. Ours and those of math-verify,
lm-evaluation-harness and Inspect score each reply as they do in a task: the harness with the
filters of its gsm8k, mmlu (flan, chain of thought), mmlu_pro and minerva_math, Inspect with
`match`, the parser of `multiple_choice` and `math`. A peer that is not installed is left out by
name. A call that takes longer than ten seconds is killed and counts as no answer.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tinker_core.jsonl import read_jsonl
from tinker_core.process_pool import CallKilledError, ProcessPool
from tinker_evals import Item, TextGrader, graders

LABELLED = Path(__file__).parents[1] / "packages/tinker-evals/tests/graders/labelled"
Row = dict[str, Any]
logging.disable(logging.CRITICAL)


def ours(grader: TextGrader, row: Row) -> Any:
    """Our grade: the letter of a choice, or whether the reply is right."""
    item = Item(id="1", prompt="", target=row.get("target"), choices=tuple(row.get("choices", ())))
    grade = asyncio.run(grader.grade(row["reply"], item))
    return grade.answers["lenient"] if "letter" in row else grade.scores["lenient"] == 1


@cache
def harness_task(path: str) -> dict[str, Any]:
    """A task of lm-evaluation-harness, as its file says."""
    import yaml

    text = (files("lm_eval.tasks") / path).read_text().replace("!function ", "")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def harness_answer(path: str, filter_name: str, row: Row) -> str:
    """What a filter of the harness extracts."""
    from lm_eval.filters.extraction import MultiChoiceRegexFilter, RegexFilter

    (steps,) = (f for f in harness_task(path)["filter_list"] if f["name"] == filter_name)
    settings = dict(steps["filter"][0])
    kind = {"regex": RegexFilter, "multi_choice_regex": MultiChoiceRegexFilter}
    extract = kind[settings.pop("function")](**settings)
    ((answer, *_),) = extract.apply([[row["reply"]]], [row])
    return str(answer)


def harness_match(path: str, answer: str, target: str) -> bool:
    """Whether the harness counts the answer."""
    from lm_eval.api.metrics import exact_match_fn

    (metric,) = harness_task(path)["metric_list"]
    settings = {key: metric.get(key) for key in ("ignore_case", "ignore_punctuation")}
    ignored = metric.get("regexes_to_ignore")
    found = exact_match_fn(
        predictions=[answer], references=[target], regexes_to_ignore=ignored, **settings
    )
    return bool(found["exact_match"])


def harness_gsm8k(filter_name: str) -> Callable[[Row], bool]:
    """A filter of the harness's gsm8k."""
    path = "gsm8k/gsm8k.yaml"
    return lambda row: harness_match(
        path, harness_answer(path, filter_name, row), f"#### {row['target']}"
    )


def harness_choice(path: str, filter_name: str) -> Callable[[Row], str | None]:
    """A filter of one of the harness's tasks with choices."""

    def letter(row: Row) -> str | None:
        answer = harness_answer(path, filter_name, row)
        letters = [chr(ord("A") + i) for i in range(len(row["choices"]))]
        return next((x for x in letters if harness_match(path, answer, f"({x})")), None)

    return letter


def harness_math(score: str) -> Callable[[Row], bool]:
    """A score of the harness's minerva_math."""

    def right(row: Row) -> bool:
        from lm_eval.tasks.minerva_math.utils import process_results

        doc = {"answer": row["target"], "solution": rf"\boxed{{{row['target']}}}"}
        return bool(process_results(doc, [row["reply"]])[score])

    return right


def inspect_scorer(make: Callable[[Any], Any]) -> Callable[[Row], bool]:
    """A scorer of Inspect."""

    def right(row: Row) -> bool:
        import inspect_ai.scorer
        from inspect_ai.scorer import Target

        score = asyncio.run(make(inspect_ai.scorer)(inspect_state(row), Target(str(row["target"]))))
        return bool(score.value == "C")

    return right


def inspect_state(row: Row) -> Any:
    """The state of a sample whose model gave this reply."""
    from inspect_ai.model import ModelName, ModelOutput
    from inspect_ai.solver import TaskState

    output = ModelOutput.from_content("model", row["reply"])
    return TaskState(
        model=ModelName("mock/model"),
        sample_id=1,
        epoch=1,
        input="",
        messages=[],
        choices=list(row.get("choices", ())),
        output=output,
    )


def inspect_choice(row: Row) -> str | None:
    """The answer that Inspect's `multiple_choice` parses."""
    from inspect_ai.solver._multiple_choice import parse_answers

    found = parse_answers(inspect_state(row), multiple_correct=False)
    return next(iter(found)) if len(found) == 1 else None


def math_verify_right(row: Row) -> bool:
    """math-verify by itself, with its own extraction."""
    from math_verify import parse, verify

    found = parse(row["reply"], parsing_timeout=None)
    return bool(verify(parse(f"${row['target']}$"), found, timeout_seconds=None))


def math_verify_letter(row: Row) -> str | None:
    """math-verify's extraction of letters."""
    from math_verify import StringExtractionConfig, parse

    letters = tuple(chr(ord("A") + i) for i in range(len(row["choices"])))
    found = parse(row["reply"], [StringExtractionConfig(strings=letters)], parsing_timeout=None)
    return next((str(x).upper() for x in found if str(x).upper() in letters), None)


MMLU = "mmlu/flan_cot_zeroshot/_mmlu_flan_cot_zeroshot_template_yaml"
MMLU_PRO = "mmlu_pro/_default_template_yaml"
GRADERS: dict[str, dict[str, Callable[[Row], Any]]] = {
    "word_problems": {
        "tinker-evals, `hashes`": lambda row: ours(graders.hashes, row),
        "math-verify": math_verify_right,
        "lm-eval, gsm8k strict-match": harness_gsm8k("strict-match"),
        "lm-eval, gsm8k flexible-extract": harness_gsm8k("flexible-extract"),
        "inspect-ai, `match(numeric=True)`": inspect_scorer(lambda s: s.match(numeric=True)),
    },
    "multiple_choice": {
        "tinker-evals, `choice`": lambda row: ours(graders.choice, row),
        "math-verify": math_verify_letter,
        "lm-eval, mmlu flan strict-match": harness_choice(MMLU, "strict-match"),
        "lm-eval, mmlu flan flexible-extract": harness_choice(MMLU, "flexible-extract"),
        "lm-eval, mmlu_pro": harness_choice(MMLU_PRO, "custom-extract"),
        "inspect-ai, `multiple_choice`": inspect_choice,
    },
    "mathematics": {
        "tinker-evals, `boxed`": lambda row: ours(graders.boxed, row),
        "math-verify": math_verify_right,
        "lm-eval, minerva_math exact_match": harness_math("exact_match"),
        "lm-eval, minerva_math math_verify": harness_math("math_verify"),
        "inspect-ai, `math`": inspect_scorer(lambda s: s.math()),
    },
}
MODULES = {"tinker-evals": "tinker_evals", "math-verify": "math_verify"}
MODULES |= {"lm-eval": "lm_eval", "inspect-ai": "inspect_ai"}


def run_grader(data: str, grader: str, row: Row) -> Any:
    """One grade, in the process of a pool."""
    return GRADERS[data][grader](row)


def agreement(pool: ProcessPool, data: str, grader: str, show: bool) -> str:
    """A row of the table."""
    agree = killed = count = 0
    for _, row in read_jsonl(LABELLED / f"{data}.jsonl"):
        label, found = row["letter"] if "letter" in row else row["right"], None
        try:
            found = pool.call(data, grader, row)
        except CallKilledError:
            killed += 1
            found = None if "letter" in row else False
        count += 1
        agree += found == label
        if show and found != label:
            print(f"{grader}: {found} for {row}")
    unanswered = f", {killed} without an answer in time" if killed else ""
    return f"| {data.replace('_', ' ')} | {grader} | {agree} of {count}{unanswered} |"


def main(show: bool) -> None:
    """Print the table."""
    pool = ProcessPool(f"{Path(__file__).resolve()}:run_grader", seconds=10.0)
    print("| data | grader | agrees with the labels |\n|---|---|---|")
    for data, by_name in GRADERS.items():
        for grader in by_name:
            peer = re.split(",", grader)[0]
            if find_spec(MODULES[peer]) is None:
                print(f"| {data.replace('_', ' ')} | {grader} | not installed |")
            else:
                print(agreement(pool, data, grader, show), flush=True)
    pool.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--disagreements", action="store_true")
    main(parser.parse_args().disagreements)
