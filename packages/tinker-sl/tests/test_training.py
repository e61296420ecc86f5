"""From a config to a trained model, the engine found by the environment."""

import asyncio
import hashlib
import signal
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest
from attrs import evolve

from tinker_core import (
    CheckpointError,
    ConfigError,
    DataError,
    Reply,
    RunDirectoryError,
    TokenizerError,
)
from tinker_core.testing import BigramService
from tinker_data import ConversationFile
from tinker_sl import read_config, resume, sample_run, train
from tinker_train import (
    Adam,
    Checkpoints,
    Every,
    Lora,
    RunDirectory,
    create_run,
    read_checkpoints,
    read_metadata,
)
from tinker_train.testing import KillingService, exit_code_in_child


@pytest.fixture(autouse=True)
def double_everywhere(monkeypatch, make_engine, renderer):
    """The double in the place of the engine, and its renderer in that of the model's own."""
    connected = []

    @contextmanager
    def connect():
        connected.append(1)
        yield make_engine()

    for module in ("tinker_train.training", "tinker_train.engine.liveness"):
        monkeypatch.setattr(f"{module}.connect", connect)
    for module in ("training", "sampling"):
        monkeypatch.setattr(f"tinker_sl.{module}.renderer_for", lambda model, name=None: renderer)
    return connected


@pytest.fixture
def used_renderers(monkeypatch, renderer):
    """The names of the renderers that were made."""
    names = []

    def renderer_for(model, name=None):
        names.append(name)
        return renderer

    for module in ("training", "sampling"):
        monkeypatch.setattr(f"tinker_sl.{module}.renderer_for", renderer_for)
    return names


def test_a_run_leaves_its_config_its_metrics_and_weights_to_sample_from(make_config, engine_home):
    result = train(make_config())
    assert read_config(result.run_dir) == make_config()
    files = {path.name for path in result.run_dir.iterdir()}
    assert {"config.json", "metrics.jsonl", "checkpoints.jsonl", "logs.log"} <= files
    assert BigramService(engine_home).file(result.sampler_path).exists()


def test_a_folder_with_a_run_is_refused_before_an_engine_is_asked(make_config, double_everywhere):
    train(make_config())
    with pytest.raises(RunDirectoryError, match="already holds a run"):
        train(make_config())
    assert len(double_everywhere) == 1


@pytest.mark.parametrize("rows", ["", '{"messages": []}\n', "{"])
def test_data_that_cannot_be_used_leaves_nothing_behind(
    make_config, tmp_path, rows, double_everywhere
):
    path = tmp_path / "bad.jsonl"
    path.write_text(rows)
    config = make_config(data=ConversationFile(path=path))
    with pytest.raises(DataError, match=r"bad\.jsonl"):
        train(config)
    assert not config.run_dir.exists()
    assert double_everywhere == []


def test_inside_a_running_event_loop_train_says_what_to_call_instead(make_config):
    async def cell_of_a_notebook():
        train(make_config())

    with pytest.raises(ConfigError, match=r"use `with connect\(\) as engine: await train_on"):
        asyncio.run(cell_of_a_notebook())


def test_a_run_can_be_resumed_by_its_folder_alone(make_config):
    result = train(make_config())
    again = resume(result.run_dir)
    assert again.metrics == result.metrics


def test_a_run_that_was_moved_is_resumed_where_it_is(make_config, tmp_path):
    result = train(make_config())
    moved = result.run_dir.rename(tmp_path / "elsewhere")
    again = resume(moved)
    assert (again.run_dir, again.metrics) == (moved, result.metrics)
    assert not result.run_dir.exists()


def test_a_second_run_can_begin_with_the_weights_of_the_first(make_config):
    first = train(make_config())
    second = train(make_config("second", start_from=first.state_path, max_steps=1))
    assert second.metrics["train/nll"] < 0.6 * 5.7  # far below a blank model's log(300)


def test_a_run_of_something_else_is_not_taken_for_a_supervised_one(tmp_path):
    create_run(tmp_path / "other", Adam(), engine="", seed=0)
    with pytest.raises(
        ConfigError,
        match=r"holds a run of tinker_train\.optim\.adam\.Adam, not of tinker_sl\.config\.Config",
    ):
        resume(tmp_path / "other")


def test_the_trained_model_answers_and_so_does_the_one_it_began_with(make_config):
    config = make_config(adam=Adam(learning_rate=1.0), num_epochs=4)
    result = train(config)
    question = [{"role": "user", "content": "question 5"}]
    reply = sample_run(result.run_dir, question)
    # a bigram model knows one token back: from the header's last token to a, from a to b
    assert reply.outcome.message.text.startswith("ab")
    by_path = sample_run(result.sampler_path, question)
    assert by_path.outcome == reply.outcome
    assert by_path.model == f"checkpoint of step 20: {result.sampler_path}"
    base = sample_run(result.run_dir, question, base=True)
    assert base.model == "base model double"
    assert base.outcome.message.text != reply.outcome.message.text
    assert not isinstance(base.outcome, Reply)


def test_a_killed_run_is_sampled_at_its_newest_checkpoint_or_at_that_of_a_step(
    make_config, run_on_double, engine_home
):
    config = make_config(adam=Adam(learning_rate=1.0))
    killing = KillingService(engine_home, calls_left=25)  # in the steps after the sixth
    assert exit_code_in_child(run_on_double, config, killing) == -signal.SIGKILL
    question = [{"role": "user", "content": "question 5"}]
    newest = sample_run(config.run_dir, question)
    assert f"checkpoint of step 6 of {config.run_dir} (not the end of the run): " in newest.model
    assert newest.outcome.message.text.startswith("ab")
    assert "checkpoint of step 3 of" in sample_run(config.run_dir, question, step=3).model
    with pytest.raises(CheckpointError, match="no weights of step 4, only of 3, 6"):
        sample_run(config.run_dir, question, step=4)


def test_checkpoints_know_what_they_were_trained_with(make_config, engine_home, chats):
    result = train(make_config())
    path = result.sampler_path
    metadata = asyncio.run(read_metadata(BigramService(engine_home), path))
    record = read_checkpoints(RunDirectory(result.run_dir).checkpoints_file)[-1]
    assert metadata == record.metadata
    digest = hashlib.sha256(chats.read_bytes()).hexdigest()
    assert metadata["data"] == f"{chats} {digest}"
    assert f"tinker-sl {version('tinker-sl')}" in metadata["versions"]
    named = ("base_model", "renderer", "lora_rank", "lora_layers", "step", "run_dir")
    assert {name: metadata[name] for name in named} == {
        "base_model": "double",
        "renderer": "template",  # the one recommended for an unknown model
        "lora_rank": "4",
        "lora_layers": "mlp, attn, unembed",
        "step": "10",
        "run_dir": str(result.run_dir),
    }


@pytest.mark.parametrize("asked", [None, "auto", "chatml_plain", "role_colon"])
def test_a_run_that_starts_from_a_checkpoint_takes_its_renderer_and_lora(
    make_config, engine_home, used_renderers, caplog, asked
):
    first = train(make_config(renderer="role_colon", lora=Lora(rank=7)))
    used_renderers.clear()
    config = make_config("second", start_from=first.state_path, max_steps=1, renderer=asked)
    second = train(config)
    expected = "chatml_plain" if asked == "chatml_plain" else "role_colon"
    assert set(used_renderers) == {expected}
    warning = f"{first.state_path} was trained with the renderer role_colon, not with chatml_plain"
    assert (warning in caplog.text) == (asked == "chatml_plain")
    metadata = asyncio.run(read_metadata(BigramService(engine_home), second.state_path))
    assert (metadata["renderer"], metadata["lora_rank"]) == (expected, "7")
    used_renderers.clear()
    assert resume(second.run_dir).metrics == second.metrics
    assert set(used_renderers) == {expected}
    assert read_config(second.run_dir).renderer == asked


@pytest.mark.parametrize("named", ["run", "path"])
def test_sampling_takes_the_renderer_of_the_training_and_warns_of_another(
    make_config, used_renderers, caplog, named
):
    result = train(make_config(renderer="role_colon", max_steps=1))
    source = result.run_dir if named == "run" else result.sampler_path
    for asked in (None, "role_colon", "chatml_plain"):
        assert "was trained with" not in caplog.text
        used_renderers.clear()
        sample_run(source, [{"role": "user", "content": "hi"}], renderer=asked)
        assert used_renderers == [asked or "role_colon"]
    assert "was trained with the renderer role_colon, not with chatml_plain" in caplog.text


def test_weights_to_sample_from_can_be_left_to_the_end(make_config, engine_home):
    checkpoints = Checkpoints(every=Every(steps=3), sampler_weights=False)
    result = train(make_config(checkpoints=checkpoints))
    assert len(list(engine_home.glob("*/weights/*.npz"))) == 4
    assert len(list(engine_home.glob("*/sampler_weights/*.npz"))) == 1
    config = make_config("killed", checkpoints=checkpoints)
    run = create_run(config.run_dir, config, engine="", seed=0)
    first = RunDirectory(result.run_dir).checkpoints_file.read_text().splitlines()[0]
    run.checkpoints_file.write_text(first + "\n")
    with pytest.raises(CheckpointError, match=r"checkpoints\.sampler_weights is off"):
        sample_run(config.run_dir, [{"role": "user", "content": "hi"}])


def test_a_run_without_weights_to_sample_from_says_so(make_config):
    config = make_config()
    create_run(config.run_dir, config, engine="", seed=0)
    with pytest.raises(CheckpointError, match="no weights to sample from"):
        sample_run(config.run_dir, [{"role": "user", "content": "hi"}])
    with pytest.raises(RunDirectoryError, match="holds no run"):
        sample_run(Path("nowhere"), [{"role": "user", "content": "hi"}])


def test_a_model_whose_tokenizer_nobody_has_is_an_error_that_names_the_engine_s_models(
    make_config, make_engine, monkeypatch
):
    def renderer_for(model, name):
        raise TokenizerError(f"no tokenizer for {model!r} in a folder")

    async def models():
        return ("local/tiny", "acme/large")

    @contextmanager
    def connect():
        yield evolve(make_engine(), models=models)

    monkeypatch.setattr("tinker_sl.training.renderer_for", renderer_for)
    monkeypatch.setattr("tinker_train.training.connect", connect)
    named = r"unknown model 'double'; .* has local/tiny, acme/large; .*'double' in a folder"
    with pytest.raises(ConfigError, match=named):
        train(make_config())
