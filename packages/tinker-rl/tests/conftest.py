"""Trajectories by hand, scripted samplers, and a bench to run loops on the double."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tinker
import tokenizers
from attrs import define, evolve, field, frozen
from tinker import types
from transformers import PreTrainedTokenizerFast

from tinker_core.testing import BigramService
from tinker_render import Renderer, get_renderer
from tinker_rl import (
    Action,
    Asynchronous,
    Checkpoints,
    Clients,
    Completed,
    Config,
    Env,
    EnvGroupBuilder,
    Evaluation,
    GroupBatches,
    RLData,
    Sampling,
    StepResult,
    StopReason,
    Streaming,
    Synchronous,
    TrainResult,
    Trajectory,
    TrajectoryGroup,
    Transition,
    rl_loop,
)
from tinker_train import (
    Adam,
    Every,
    Never,
    RunDirectory,
    StopRequest,
    last_checkpoint,
    open_run,
    read_metrics,
)


def make_turn(prompt: Sequence[int], tokens: Sequence[int], reward: float = 0.0) -> Transition:
    """A turn whose logprobs are -0.01 * token, so that each token is told from the others."""
    return Transition(
        observation=tinker.ModelInput.from_ints(list(prompt)),
        action=Action(tokens=tokens, logprobs=[-0.01 * token for token in tokens]),
        reward=reward,
    )


def make_group(*rewards: float, **more: Any) -> TrajectoryGroup:
    """A group of one-turn attempts [1] -> [2, 3] with these rewards."""
    trajectories = tuple(make_trajectory(make_turn([1], [2, 3], reward)) for reward in rewards)
    count = len(rewards)
    return TrajectoryGroup(
        trajectories=trajectories, group_rewards=[0.0] * count, group_metrics=({},) * count, **more
    )


def make_trajectory(*turns: Transition, stop: StopReason | None = None) -> Trajectory:
    """An episode of these turns."""
    return Trajectory(transitions=turns, stop=stop or Completed())


@pytest.fixture(scope="session")
def turn() -> Callable[..., Transition]:
    return make_turn


@pytest.fixture(scope="session")
def group() -> Callable[..., TrajectoryGroup]:
    return make_group


@pytest.fixture(scope="session")
def trajectory() -> Callable[..., Trajectory]:
    return make_trajectory


@define
class ScriptedSampler:
    """A SamplingClient that answers from its script, by prompt."""

    script: Callable[[list[int], int], Sequence[int]]
    """Maps a prompt and the index of the sample in its call to tokens."""
    wait_for: int = 0
    """Calls that have to run at once before the first ones are answered."""
    calls: list[tuple[list[int], int, tinker.SamplingParams]] = field(factory=list)
    running: int = 0
    most_running: int = 0

    def sample(
        self, prompt: tinker.ModelInput, num_samples: int, sampling_params: tinker.SamplingParams
    ) -> Any:
        """As the SDK: a future to await."""
        self.calls.append((prompt.to_ints(), num_samples, sampling_params))
        return self._answer(prompt.to_ints(), num_samples, sampling_params)

    async def _answer(
        self, prompt: list[int], num_samples: int, params: tinker.SamplingParams
    ) -> types.SampleResponse:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            while self.most_running < self.wait_for:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.001)  # calls beyond a limit would begin meanwhile
        finally:
            self.running -= 1
        return types.SampleResponse(
            sequences=[
                _sequence(self.script(prompt, index), params) for index in range(num_samples)
            ]
        )


def _sequence(tokens: Sequence[int], params: tinker.SamplingParams) -> types.SampledSequence:
    limit = params.max_tokens or len(tokens)
    kept = list(tokens)[:limit]
    return types.SampledSequence(
        sequence_id="scripted",
        tokens_np=np.array(kept, dtype=np.int32),
        logprobs_np=np.full(len(kept), -1.0, dtype=np.float32),
        stop_reason="length" if len(tokens) > limit else "stop",
    )


@pytest.fixture
def scripted() -> Callable[..., ScriptedSampler]:
    return ScriptedSampler


def policy_loss(
    name: str,
    p_T: np.ndarray,
    inputs: Mapping[str, np.ndarray],
    config: Mapping[str, float],
) -> tuple[float, np.ndarray]:
    """Loss and dloss/dlogprob of one datum, token by token in plain Python: the oracle."""
    q_T, a_T = inputs["logprobs"], inputs["advantages"]
    low, high = config.get("clip_low_threshold", 0.0), config.get("clip_high_threshold", np.inf)
    mask_T = inputs.get("sequence_ratio_mask", np.ones_like(p_T))
    count = max(mask_T.sum(), 1)
    geometric = np.exp(sum((p - q) * m for p, q, m in zip(p_T, q_T, mask_T, strict=True)) / count)
    loss, slope_T = 0.0, np.zeros(len(p_T))
    for t, (p, q, a) in enumerate(zip(p_T, q_T, a_T, strict=True)):
        if q == a == 0:  # so engines tell a prompt's tokens
            continue
        r = geometric if name == "gspo" else np.exp(p - q)
        clipped = min(max(r, low), high)
        match name:
            case "importance_sampling":
                loss, slope_T[t] = loss - r * a, -r * a
            case "ppo" | "gspo":
                loss -= min(r * a, clipped * a)
                slope_T[t] = -r * a if r * a <= clipped * a else 0.0
            case "cispo":
                loss, slope_T[t] = loss - clipped * p * a, -clipped * a
            case "dro":
                beta = config["beta"]
                loss -= p * a - beta / 2 * (p - q) ** 2
                slope_T[t] = -a + beta * (p - q)
    return float(loss), slope_T


@pytest.fixture
def oracle() -> Callable[..., tuple[float, np.ndarray]]:
    return policy_loss


@pytest.fixture
def service(tmp_path: Path) -> BigramService:
    """The double of the service."""
    return BigramService(tmp_path / "service", vocab_size=16)


@frozen
class Arms(EnvGroupBuilder):
    """One pull at a bandit, several times: the prompt is [prompt], and one token pays."""

    prompt: int = 1
    pays: int = 3
    size: int = 8
    reached: Callable[[Arms], Awaitable[None]] | None = None
    """Awaited before a pull is paid, to make some slow."""
    metrics: Mapping[str, float] = {}
    """Metrics of each pull."""
    tag: str | None = None

    async def make_envs(self) -> list[Env]:
        return [Pull(self) for _ in range(self.size)]

    def logging_tags(self) -> list[str]:
        return [self.tag or f"arm{self.prompt}"]

    def shares_prompt(self) -> bool:
        return True


@frozen
class Pull(Env):
    """One pull."""

    arms: Arms

    async def initial_observation(self) -> tuple[tinker.ModelInput, list[int]]:
        return tinker.ModelInput.from_ints([self.arms.prompt]), [15]

    async def step(self, action: Action) -> StepResult:
        if self.arms.reached is not None:
            await self.arms.reached(self.arms)
        pays = action.tokens[0] == self.arms.pays
        return StepResult(reward=int(pays), episode_done=True, metrics=self.arms.metrics)


@pytest.fixture
def arms() -> type[Arms]:
    return Arms


@frozen(kw_only=True)
class NoData:
    """Stands in a config whose data is given to the loop by hand."""

    def build(self, *, renderer: Any, seed: int) -> RLData:
        raise NotImplementedError


@define
class Bench:
    """Runs a loop on the double, in a folder, as often as wanted."""

    service: BigramService
    folder: Path
    training: Any = None

    def config(self, **fields: Any) -> Config:
        """A config for the bandit."""
        fields = {
            "model": "bigram",
            "data": NoData(),
            "run_dir": self.folder / "run",
            "adam": Adam(learning_rate=0.3),
            "sampling": Sampling(max_tokens=1),
            "evaluation": Evaluation(every=Never()),
            "checkpoints": Checkpoints(every=Every(steps=2)),
            **fields,
        }
        return Config(**fields)

    def run(
        self,
        config: Config,
        groups: Sequence[EnvGroupBuilder],
        *,
        test: Sequence[EnvGroupBuilder] = (),
        per_batch: int = 2,
        stop: StopRequest | None = None,
        **clients: Any,
    ) -> TrainResult:
        """Begin the run in the config's folder, or go on with it."""
        data = RLData(
            train=GroupBatches(groups, per_batch),
            test=GroupBatches(test, 2) if test else None,
        )
        last = last_checkpoint(RunDirectory(config.run_dir).checkpoints_file)
        if last is None:
            self.training = self.service.create_lora_training_client("bigram").result()
        else:
            load = self.service.create_training_client_from_state_with_optimizer
            self.training = load(last.state_path).result()

        async def main() -> TrainResult:
            with open_run(config.run_dir, config, engine="double", seed=config.seed) as run:
                run = evolve(run, stop=stop or run.stop)
                made = Clients(training=self.training, **clients)
                result = await rl_loop(config, made, data, run)
            assert asyncio.all_tasks() == {asyncio.current_task()}, "a task was left behind"
            return result

        return asyncio.run(main())

    def metrics(self, config: Config) -> list[dict[str, Any]]:
        """The rows of the run, without what a clock says."""
        rows = read_metrics(RunDirectory(config.run_dir).metrics_file)
        clocks = ("time/", "tokens_per_second")
        return [
            {name: value for name, value in row.items() if not name.startswith(clocks)}
            for row in rows
        ]


@pytest.fixture
def bench(service: BigramService, tmp_path: Path) -> Bench:
    return Bench(service, tmp_path)


QWEN3_TOKENS = (
    *("<think>", "</think>", "<tool_call>", "</tool_call>"),
    *("<tool_response>", "</tool_response>", "<|vision_start|>", "<|vision_end|>"),
)


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    """ChatML over characters; "th" is one token besides."""
    characters = [chr(code) for code in range(32, 127)] + ["\n"]
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {token: i for i, token in enumerate([*special, *characters, "th", *QWEN3_TOKENS])}
    model = tokenizers.models.BPE(vocabulary, merges=[("t", "h")])
    inner = tokenizers.Tokenizer(model)
    inner.decoder = tokenizers.decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token="<|im_end|>",
        additional_special_tokens=[*special[:2], *QWEN3_TOKENS],
        clean_up_tokenization_spaces=False,
    )
    return get_renderer("chatml_plain", tokenizer)


@pytest.fixture(scope="session")
def thinking_renderer(renderer: Renderer) -> Renderer:
    """Qwen3's format on the same tokenizer: it drops the reasoning of earlier turns."""
    return get_renderer("qwen3", renderer.tokenizer)


class TwoTokens:
    """An image processor that makes two tokens of every image."""

    def get_resize_config(self, media: Mapping[str, Any]) -> dict[str, int]:
        return {"num_tokens": 2}


@pytest.fixture(scope="session")
def vision_renderer(renderer: Renderer) -> Renderer:
    """The format of Qwen3-VL's instruct models on the same tokenizer."""
    return get_renderer("qwen3_vl_instruct", renderer.tokenizer, TwoTokens())


@pytest.fixture
def image() -> bytes:
    """A PNG."""
    file = BytesIO()
    pytest.importorskip("PIL.Image").new("RGB", (8, 8), "teal").save(file, format="png")
    return file.getvalue()


@pytest.fixture(
    params=[Synchronous(), Streaming(micro_batches=2), Asynchronous(max_staleness=2)],
    ids=lambda mode: type(mode).__name__,
)
def mode(request: pytest.FixtureRequest) -> Any:
    """Each mode of the loop."""
    return request.param
