"""The reward of a two-armed task rises to its optimum, for every loop and every loss."""

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import tinker
from attrs import frozen

from tinker_render import Renderer
from tinker_rl import (
    Action,
    Asynchronous,
    Cispo,
    Config,
    Dro,
    Env,
    Evaluation,
    GroupBatches,
    Gspo,
    ImportanceSampling,
    Ppo,
    ProblemGroupBuilder,
    RLData,
    Sampling,
    StepResult,
    Streaming,
    Synchronous,
    UpdateConfig,
    train,
)
from tinker_train import Adam, Never, read_metrics


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One local engine for all, which `connect` finds."""
    (found,) = entry_points(group="tinker.engines")
    home = tmp_path_factory.mktemp("engine")
    with pytest.MonkeyPatch.context() as patch, found.load()(home=home) as local:
        patch.setenv("TINKER_BASE_URL", local.base_url)
        patch.setenv("TINKER_API_KEY", local.api_key)
        yield


class Pull(Env):
    """One pull at a machine with two arms, odd tokens and even ones, of which the odd one pays."""

    async def initial_observation(self) -> tuple[tinker.ModelInput, list[int]]:
        return tinker.ModelInput.from_ints([1]), []

    async def step(self, action: Action) -> StepResult:
        return StepResult(reward=action.tokens[0] % 2, episode_done=True)


@frozen(kw_only=True)
class Pulls:
    """Two groups of pulls a batch."""

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        group = ProblemGroupBuilder(env_thunk=Pull, num_envs=16)
        return RLData(train=GroupBatches([group] * 26, 2))


MODES = [Synchronous(), Streaming(micro_batches=2), Asynchronous(max_staleness=1)]
LOSSES = [ImportanceSampling(), Ppo(), Cispo(), Dro(), Gspo(clip_low=0.8, clip_high=1.2)]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: type(mode).__name__)
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_the_reward_rises_to_its_optimum_on_the_engine(
    mode: Any,
    loss: Any,
    engine: None,
    tmp_path: Path,
) -> None:
    config = Config(
        model="local/tiny",
        data=Pulls(),
        run_dir=tmp_path / "run",
        mode=mode,
        update=UpdateConfig(loss=loss),
        adam=Adam(learning_rate=5e-3),
        sampling=Sampling(max_tokens=1),
        evaluation=Evaluation(every=Never()),
        transcripts=0,
    )
    rows = read_metrics(train(config).run_dir / "metrics.jsonl")
    rewards = [row["train/reward"] for row in rows if "train/reward" in row]
    assert rewards[0] < 0.6
    assert min(rewards[-2:]) > 0.9
