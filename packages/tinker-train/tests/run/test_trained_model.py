"""Opening the checkpoint of a run."""

import asyncio

import pytest

from tinker_core import CheckpointError, ConfigError, EngineError
from tinker_core.testing import BigramService
from tinker_train import (
    CheckpointRecord,
    Checkpoints,
    Progress,
    RunConfig,
    create_run,
    finish_checkpoint,
    open_trained_model,
    submit_checkpoint,
)


@pytest.fixture
def service(tmp_path):
    return BigramService(tmp_path / "engine")


@pytest.fixture
def make_run(tmp_path, service):
    """Makes a run with checkpoints: pairs of a step and the options of `submit_checkpoint`."""

    def make(*checkpoints, metadata=None, **fields):
        config = RunConfig(model="m", run_dir=tmp_path / "run", renderer="a", **fields)
        run = create_run(config.run_dir, config, engine="", seed=0)
        training = service.create_lora_training_client("m").result()
        for step, options in checkpoints:
            record = CheckpointRecord(
                name=str(step),
                progress=Progress(step=step),
                metadata=metadata or {},
                final=step == 9,
            )
            submitted = submit_checkpoint(training, record, **options)
            asyncio.run(finish_checkpoint(submitted, run.checkpoints_file))
        return config.run_dir

    return make


def opened(service, source, **options):
    return asyncio.run(open_trained_model(service, source, **options))


def test_the_newest_checkpoint_with_weights_is_opened_or_that_of_a_step(service, make_run):
    run = make_run((3, {"sampler": True}), (6, {"sampler": True}), (8, {"sampler": False}))
    newest = opened(service, run)
    assert (newest.step, newest.is_end, newest.base_model, newest.renderer) == (6, False, "m", "a")
    assert newest.path.endswith("/sampler_weights/6")
    assert newest.description == (
        f"checkpoint of step 6 of {run} (not the end of the run): {newest.path}"
    )
    assert opened(service, str(run), step=3).path.endswith("/sampler_weights/3")
    with pytest.raises(CheckpointError, match="no weights of step 8, only of 3, 6"):
        opened(service, run, step=8)


def test_the_end_of_a_complete_run_says_so(service, make_run):
    run = make_run((3, {"sampler": True}), (9, {"sampler": True}))
    assert opened(service, run).is_end
    assert "(complete)" in opened(service, run).description
    assert not opened(service, run, step=3).is_end


def test_what_the_weights_were_trained_with_counts_more_than_the_config(service, make_run):
    metadata = {"renderer": "b", "base_model": "n", "step": "3"}
    run = make_run((3, {"sampler": True}), metadata=metadata)
    for source in (run, opened(service, run).path):
        model = opened(service, source)
        assert (model.renderer, model.base_model, model.step) == ("b", "n", 3)
        assert opened(service, source, renderer="c").renderer == "c"


def test_a_run_without_weights_says_why(service, make_run, tmp_path):
    run = make_run((3, {}), checkpoints=Checkpoints(sampler_weights=False))
    with pytest.raises(CheckpointError, match=r"checkpoints\.sampler_weights is off"):
        opened(service, run)


def test_a_run_before_its_first_checkpoint_says_so(service, make_run):
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        opened(service, make_run())


def test_what_is_not_there_is_an_error_that_names_it(service, tmp_path):
    with pytest.raises(EngineError, match="weights tinker://r/sampler_weights/1: "):
        opened(service, "tinker://r/sampler_weights/1")
    with pytest.raises(ConfigError, match="only a run directory has steps"):
        opened(service, "tinker://r/sampler_weights/1", step=1)
