"""What does the client cost? 1,000 concurrent episodes of three turns, on a free sampler.

Measured is the processor time of this process per sampled turn (rendering, parsing, tasks, seeds,
values: everything but the engine). The bound is 1 ms. Beside it, advantages and datums.
"""

from __future__ import annotations

import asyncio
import time

import numpy as np
import tinker
from attrs import define
from tinker import types

from tinker_core import Message
from tinker_render import get_recommended_renderer_name, get_renderer, get_tokenizer
from tinker_rl import (
    Advantage,
    EngineTokenCompleter,
    ImportanceSampling,
    MessageEnv,
    MessageStep,
    ProblemGroupBuilder,
    RolloutConfig,
    Sampling,
    as_token_env,
    loss_datums,
    run_groups,
    training_batch,
)

GROUPS, ATTEMPTS, TURNS, TOKENS = 125, 8, 3, 64
BOUND_MS = 1.0


@define
class Talk(MessageEnv):
    """Answers three turns."""

    turns: int = 0

    async def initial_messages(self) -> list[Message]:
        """A question."""
        return [Message(role="user", content="Tell me about numbers, in three parts, please.")]

    async def step(self, message: Message) -> MessageStep:
        """Go on."""
        self.turns += 1
        reward = float(len(message.text) % 2)
        told = [Message(role="user", content="Go on with the next part.")]
        return MessageStep(reward=reward, episode_done=self.turns == TURNS, messages=told)


@define
class Free:
    """A sampler whose answers cost nothing to speak of."""

    answer: list[int]

    async def _sample(self, count: int) -> types.SampleResponse:
        await asyncio.sleep(0)
        logprobs = np.full(len(self.answer), -1.0, dtype=np.float32)
        one = types.SampledSequence(
            sequence_id="free",
            tokens_np=np.array(self.answer, dtype=np.int32),
            logprobs_np=logprobs,
            stop_reason="stop",
        )
        return types.SampleResponse(sequences=[one] * count)

    def sample(self, prompt: tinker.ModelInput, num_samples: int, params: object) -> object:
        """As the SDK's."""
        return self._sample(num_samples)


async def main() -> None:
    """Run it, and print the numbers."""
    tokenizer = get_tokenizer("local/tiny")
    renderer = get_renderer(get_recommended_renderer_name("local/tiny"), tokenizer)
    answer = tokenizer.encode("a" * (TOKENS - 1), add_special_tokens=False)
    sampler = Free([*answer, *renderer.get_stop_sequences()])
    builder = ProblemGroupBuilder(
        env_thunk=lambda: as_token_env(Talk(), renderer), num_envs=ATTEMPTS
    )
    config = RolloutConfig(max_concurrent_groups=GROUPS)
    policy = EngineTokenCompleter(sampler, Sampling(max_tokens=TOKENS))
    began = time.process_time()
    groups = await run_groups(policy, [builder] * GROUPS, config, (0,))
    sampled = time.process_time()
    sequences = training_batch(groups, Advantage()).sequences
    datums, _ = loss_datums(ImportanceSampling(), sequences)
    ended = time.process_time()
    turns = GROUPS * ATTEMPTS * TURNS
    per_turn = (sampled - began) / turns * 1e3
    print(f"{GROUPS * ATTEMPTS} episodes at once, {TURNS} turns of {TOKENS} tokens each")
    print(f"client: {per_turn:.3f} ms of processor time per sampled turn (bound {BOUND_MS} ms)")
    print(f"datums: {(ended - sampled) / len(datums) * 1e3:.3f} ms per sequence")


if __name__ == "__main__":
    asyncio.run(main())
