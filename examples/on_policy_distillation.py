"""On-policy distillation: a student samples, and a teacher scores each token.

The teacher computes the logprobs of the student's tokens, and the policy gradient descends the
reverse KL. The test set alone is graded. The student solves about a third of the sums, and the
teacher is the same model after a supervised run on all of them. A teacher can also be a larger
model with the same vocabulary, or the same model with a system prompt that the student does not see
(`TeacherConfig(system=...)`).

    python on_policy_distillation.py          a tiny test model, two minutes on two cores
"""

from __future__ import annotations

import sys

from attrs import evolve, frozen
from rl_basic import Sum
from sums import sums
from warm_start import learn_scripts

from tinker_core import PostTrainingError
from tinker_render import Renderer
from tinker_rl import (
    Config,
    Distillation,
    GroupBatches,
    ProblemGroupBuilder,
    PromptGroupBuilder,
    RLData,
    Sampling,
    TeacherConfig,
    TrainResult,
    command_line,
    new_run_dir,
    train,
)
from tinker_train import Adam, read_metrics


@frozen(kw_only=True)
class Questions:
    """One-digit sums: prompts without a reward, and a graded test set."""

    answers: int = 4
    """Answers to each question."""
    questions: int = 25
    """Questions in a batch."""

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """A group for each question."""
        pairs = [(a, b) for a in range(10) for b in range(10)]

        def prompt(a: int, b: int) -> PromptGroupBuilder:
            asked = [{"role": "user", "content": f"What is {a}+{b}?"}]
            return PromptGroupBuilder(
                conversation=asked, renderer=renderer, num_envs=self.answers, dataset_name="sums"
            )

        def problem(a: int, b: int) -> ProblemGroupBuilder:
            return ProblemGroupBuilder(env_thunk=lambda: Sum(renderer, a, b), num_envs=4)

        return RLData(
            train=GroupBatches([prompt(a, b) for b, a in pairs], self.questions),
            test=GroupBatches([problem(a, b) for a, b in pairs], len(pairs)),
        )


def train_teacher(config: Config) -> TeacherConfig:
    """The student's model after a supervised run on all sums."""
    scripts = [
        [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        for question, answer in sums()
    ]
    run = learn_scripts(config, scripts * 12, batch_size=20, learning_rate=4e-3)
    return TeacherConfig(model=config.model, checkpoint=run.sampler_path)


def main(arguments: list[str] | None = None) -> TrainResult:
    """Train, and print the outcome."""
    default = Config(
        model="local/tiny",
        data=Questions(),
        run_dir=new_run_dir("distil"),
        adam=Adam(learning_rate=4e-3),
        sampling=Sampling(max_tokens=5),
        num_epochs=1000,
        max_steps=60,
    )
    config = command_line(default, arguments, __doc__)
    teachers = Distillation(teachers=(train_teacher(config),))
    result = train(evolve(config, distillation=teachers))
    rows = read_metrics(result.run_dir / "metrics.jsonl")
    for metric in ("teacher_kl", "test/env/all/correct"):
        values = [row[metric] for row in rows if metric in row]
        print(f"{metric}: {values[0]:.3f} at the start, {values[-1]:.3f} at the end")
    return result


if __name__ == "__main__":
    try:
        main()
    except PostTrainingError as error:
        sys.exit(f"on_policy_distillation: {error}")
