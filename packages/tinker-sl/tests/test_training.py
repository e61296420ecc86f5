"""From a config to a trained model, the engine found by the environment."""

from contextlib import contextmanager
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
from tinker_train import Adam, create_run


@pytest.fixture(autouse=True)
def double_everywhere(monkeypatch, make_engine, renderer):
    """The double in the place of the engine, and its renderer in that of the model's own."""
    connected = []

    @contextmanager
    def connect():
        connected.append(1)
        yield make_engine()

    for module in ("tinker_train.training", "tinker_sl.sampling"):
        monkeypatch.setattr(f"{module}.connect", connect)
    for module in ("training", "sampling"):
        monkeypatch.setattr(f"tinker_sl.{module}.renderer_for", lambda model, name=None: renderer)
    return connected


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
    answer = sample_run(result.run_dir, question)
    # a bigram model knows one token back: from the header's last token to a, from a to b
    assert answer.message.text.startswith("ab")
    base = sample_run(result.run_dir, question, base=True)
    assert base.message.text != answer.message.text
    assert not isinstance(base, Reply)


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
    with pytest.raises(ConfigError, match=r"'double' in a folder; .* has local/tiny, acme/large"):
        train(make_config())
