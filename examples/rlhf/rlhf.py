"""Reinforcement learning from human feedback, in three stages (Ouyang et al., arXiv:2203.02155).

    1  tinker-sl     supervised learning of how people answer, the good and the bad alike
    2  tinker-dpo    a reward model from pairs of answers, by Bradley and Terry's loss
    3  tinker-rl     reinforcement learning from 1 against the reward of 2

Each stage starts from the checkpoint of the one before. After an interruption the same command
continues the pipeline. At the end the model of stage 3 is compared with that of stage 1 on held-out
questions, by the reward model and by the rule that made the preferences.

It runs on the engine that `tinker_train.connect` finds: the hosted service, a server of your own,
or, with neither configured, the local engine, which is started here and needs no key.

    python rlhf.py --folder runs/rlhf        a test model, some minutes on two cores
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import tinker
import tyro
from attrs import frozen
from rewarded import JudgedQuestions, open_judge, preference_pairs, prompt_of
from tasks import Question, conversations, likes, number_in, pairs, questions, write_rows

import tinker_dpo
import tinker_rl
import tinker_sl
from tinker_core import Message, PostTrainingError
from tinker_data import Batching, ConversationFile, PreferencePair
from tinker_dpo import (
    BradleyTerry,
    Comparison,
    PreferenceFile,
    ScoreModel,
    Share,
    agreement,
    share,
    win_rate,
)
from tinker_render import Renderer, get_recommended_renderer_name, get_renderer, get_tokenizer
from tinker_train import Adam, Constant, Engine, Every, Lora, check_run_directory, connect

RANK = 16


@frozen(kw_only=True)
class Rlhf:
    """Supervised learning, a reward model, and reinforcement learning against it."""

    folder: Path
    """Folder of the three runs and their data; an interrupted pipeline is continued there."""
    model: str = "local/tiny"
    """Base model of all three, as the engine knows it."""
    sft_steps: int = 150
    reward_steps: int = 100
    rl_steps: int = 25
    kl: float = 0.05
    """Coefficient of the KL penalty to the supervised model."""
    seed: int = 0
    """Seed of the data, its order, sampling and the initial LoRA weights."""


@frozen(kw_only=True)
class Outcome:
    """Measurements on the held-out questions."""

    agreement: Share
    """Share of the pairs on which the reward model agrees with the preference."""
    wins_by_reward_model: Share
    """Win rate of stage 3 over stage 1, by the reward model that it was trained against."""
    wins_by_rule: Share
    """The same, by the rule that made the preferences."""
    right_before: float
    """Share of right numbers after stage 1; no stage rewards them."""
    right_after: float
    """The same after stage 3."""


def sft_config(settings: Rlhf, train: list[Question], test: list[Question]) -> tinker_sl.Config:
    """Stage 1."""
    folder = settings.folder / "data"
    return tinker_sl.Config(
        model=settings.model,
        data=ConversationFile(
            path=write_rows(folder / "sft.jsonl", conversations(train, settings.seed)),
            test_path=write_rows(folder / "sft-test.jsonl", conversations(test, settings.seed)),
            batching=Batching(batch_size=16),
        ),
        run_dir=settings.folder / "1-sft",
        lora=Lora(rank=RANK),
        adam=Adam(learning_rate=4e-3),
        num_epochs=100,
        max_steps=settings.sft_steps,
        evaluation=tinker_sl.Evaluation(every=Every(steps=50)),
        seed=settings.seed,
    )


def reward_config(
    settings: Rlhf, sft: str, train: list[Question], test: list[Question]
) -> tinker_dpo.Config:
    """Stage 2, from the state of stage 1."""
    folder = settings.folder / "data"
    return tinker_dpo.Config(
        model=settings.model,
        data=PreferenceFile(
            path=write_rows(folder / "pairs.jsonl", pairs(train, settings.seed)),
            test_path=write_rows(folder / "pairs-test.jsonl", pairs(test, settings.seed + 1)),
        ),
        run_dir=settings.folder / "2-reward-model",
        objective=BradleyTerry(),
        start_from=sft,
        batching=Batching(batch_size=16),
        lora=Lora(rank=RANK),
        adam=Adam(learning_rate=1e-3),
        num_epochs=100,
        max_steps=settings.reward_steps,
        evaluation=tinker_dpo.Evaluation(every=Every(steps=20)),
        seed=settings.seed,
    )


def rl_config(
    settings: Rlhf, sft: tinker_sl.TrainResult, judged: JudgedQuestions
) -> tinker_rl.Config:
    """Stage 3, from the state of stage 1, against the weights of stage 2."""
    return tinker_rl.Config(
        model=settings.model,
        data=judged,
        run_dir=settings.folder / "3-rl",
        start_from=sft.state_path,
        lora=Lora(rank=RANK),
        adam=Adam(learning_rate=4e-4),
        schedule=Constant(),
        sampling=tinker_rl.Sampling(max_tokens=16),
        kl_penalty=tinker_rl.KLPenalty(coefficient=settings.kl, reference=sft.sampler_path),
        num_epochs=100,
        max_steps=settings.rl_steps,
        seed=settings.seed,
    )


async def pipeline(engine: Engine, settings: Rlhf) -> Outcome:
    """Run the three stages, each from its last checkpoint, and the comparison."""
    renderer = get_renderer(
        get_recommended_renderer_name(settings.model), get_tokenizer(settings.model)
    )
    train, test = questions(settings.seed)

    first = sft_config(settings, train, test)
    check_run_directory(first.run_dir, first, "resume")
    data = first.data.build(renderer=renderer, seed=first.seed)
    sft = await tinker_sl.train_on(engine, first, data)

    second = reward_config(settings, sft.state_path, train, test)
    check_run_directory(second.run_dir, second, "resume")
    rewards = await tinker_dpo.train_on(engine, second, tinker_dpo.open_data(second, renderer))

    learnt_on = second.data.path
    judged = JudgedQuestions(reward_model=rewards.sampler_path, pairs=learnt_on)
    third = rl_config(settings, sft, judged)
    check_run_directory(third.run_dir, third, "resume")
    rl = await tinker_rl.train_on(engine, third)

    judge = await open_judge(engine.service, rewards.sampler_path, learnt_on, renderer)
    answers = [
        await sample_answers(engine.service, path, renderer, test, settings.seed)
        for path in (sft.sampler_path, rl.sampler_path)
    ]
    return await compare(judge, preference_pairs(second.data.test_path), test, *answers)


async def compare(
    judge: ScoreModel,
    held_out: list[PreferencePair],
    test: list[Question],
    before: list[str],
    after: list[str],
) -> Outcome:
    """Compare the answers of stage 3 with those of stage 1."""
    comparisons = [
        Comparison(prompt=prompt_of(question), first=says(new), second=says(old))
        for question, new, old in zip(test, after, before, strict=True)
    ]
    by_rule = [0.5 + (likes(new) - likes(old)) / 2 for new, old in zip(after, before, strict=True)]
    right = [
        sum(number_in(text) == str(q.number) for q, text in zip(test, texts, strict=True))
        for texts in (before, after)
    ]
    return Outcome(
        agreement=await agreement(judge, held_out),
        wins_by_reward_model=await win_rate(judge, comparisons),
        wins_by_rule=share(by_rule),
        right_before=right[0] / len(test),
        right_after=right[1] / len(test),
    )


async def sample_answers(
    service: tinker.ServiceClient,
    path: str,
    renderer: Renderer,
    asked: list[Question],
    seed: int,
) -> list[str]:
    """One answer of the model to each question, at temperature 1."""
    sampler = await service.create_sampling_client(model_path=path)

    async def answer(number: int, question: Question) -> str:
        params = tinker.SamplingParams(
            max_tokens=16, temperature=1.0, seed=seed + number, stop=renderer.get_stop_sequences()
        )
        prompt = renderer.build_generation_prompt(prompt_of(question))
        response = await sampler.sample(prompt, 1, params)
        return renderer.parse_response(response.sequences[0].tokens).message.text

    return await asyncio.gather(*(answer(i, question) for i, question in enumerate(asked)))


def says(text: str) -> tuple[Message, ...]:
    """An assistant message."""
    return (Message(role="assistant", content=text),)


def main(settings: Rlhf) -> Outcome:
    """Run everything and print the measurements."""
    with connect() as engine:
        outcome = asyncio.run(pipeline(engine, settings))
    print("\nheld-out questions, with 95 % intervals")
    print(f"  the reward model agrees with people    {outcome.agreement}")
    print(f"  RL wins over SFT, by the reward model  {outcome.wins_by_reward_model}")
    print(f"  RL wins over SFT, by people's rule     {outcome.wins_by_rule}")
    numbers = f"{outcome.right_before:.0%} {outcome.right_after:.0%}"
    print(f"  right numbers, SFT and RL              {numbers}")
    return outcome


if __name__ == "__main__":
    try:
        main(tyro.cli(Rlhf))
    except PostTrainingError as error:
        sys.exit(f"rlhf: {error}")
