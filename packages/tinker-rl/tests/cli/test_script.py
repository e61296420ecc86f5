"""A training script's command line."""

from pathlib import Path

from attrs import evolve, frozen

from tinker_render import Renderer
from tinker_rl import (
    Asynchronous,
    Config,
    Distillation,
    Ppo,
    RLData,
    TeacherConfig,
    UpdateConfig,
    command_line,
    new_run_dir,
)
from tinker_train import Adam


@frozen(kw_only=True)
class Nothing:
    attempts: int = 16

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        raise NotImplementedError


TEACHER = Distillation(teachers=(TeacherConfig(model="big"),))
DEFAULT = Config(
    model="m",
    data=Nothing(),
    run_dir=Path("runs/a"),
    adam=Adam(learning_rate=2e-3),
    update=UpdateConfig(loss=Ppo()),
    distillation=TEACHER,
)


def test_without_arguments_a_script_runs_what_it_says() -> None:
    assert command_line(DEFAULT, []) == DEFAULT


def test_every_field_of_the_scripts_config_can_be_set() -> None:
    arguments = (
        "--model n --data.attempts 4 --adam.learning-rate 1e-3 "
        "--max-steps 7 update.loss:ppo --update.loss.clip-high 1.3 "
        "mode:asynchronous --mode.max-staleness 3"
    )
    assert command_line(DEFAULT, arguments.split()) == evolve(
        DEFAULT,
        model="n",
        data=Nothing(attempts=4),
        adam=Adam(learning_rate=1e-3),
        update=UpdateConfig(loss=Ppo(clip_high=1.3)),
        max_steps=7,
        mode=Asynchronous(max_staleness=3),
    )


def test_a_new_folder_is_named_after_its_script() -> None:
    assert new_run_dir("sums").parts[0] == "runs"
    assert new_run_dir("sums").name.startswith("sums-2")
