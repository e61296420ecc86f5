"""`list`, `info`, `delete` and `ttl` on a real engine, with runs that need some of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tinker

import tinker_weights
from tinker_core import CheckpointError, ConfigError


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    from tinker_local import start_engine

    with start_engine(home=tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(autouse=True)
def reached(engine, monkeypatch):
    monkeypatch.setenv("TINKER_BASE_URL", engine.base_url)
    monkeypatch.setenv("TINKER_API_KEY", engine.api_key)


@pytest.fixture
def rest(engine):
    return tinker.RestClient(base_url=engine.base_url, api_key=engine.api_key)


@pytest.fixture
def trained(engine, rest):
    """Three states and a sampler of one run, oldest first; the engine is empty before."""
    for row in rest.list_user_checkpoints(limit=1000).result().checkpoints:
        rest.delete_checkpoint_from_tinker_path(row.tinker_path).result()
    with tinker.ServiceClient(base_url=engine.base_url, api_key=engine.api_key) as service:
        model = service.create_lora_training_client(base_model="local/tiny", rank=2).result()
        states = [model.save_state(f"{step}").result().path for step in (10, 20, 30)]
        sampler = model.save_weights_for_sampler("30").result().path
    return [*states, sampler]


def write_run(folder: Path, paths, *, final: bool, config=None) -> Path:
    """A run that saved the states at steps 10, 20 and 30, the last with a sampler."""
    folder.mkdir(parents=True)
    settings = {"model": "local/tiny", "lora": {"rank": 2}, **(config or {})}
    (folder / "config.json").write_text(json.dumps({"run_id": "x", "config": settings}))
    rows = [
        {"name": str(step), "progress": {"step": step}, "state_path": path}
        for step, path in zip((10, 20, 30), paths, strict=False)
    ]
    rows[-1] |= {"sampler_path": paths[3], "final": final}
    (folder / "checkpoints.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def reasons(listing):
    return {row.checkpoint.path: row.needed_for for row in listing.checkpoints}


def names(rest):
    return {row.tinker_path for row in rest.list_user_checkpoints(limit=1000).result().checkpoints}


def test_a_list_has_sizes_ages_and_what_an_unfinished_run_still_needs(trained, tmp_path):
    run = write_run(tmp_path / "run", trained, final=False)
    listing = tinker_weights.list(tmp_path)
    found = reasons(listing)
    assert set(found) == set(trained)
    assert found[trained[0]] == found[trained[1]] == ()
    assert found[trained[2]] == (
        f"resume of {run} (step 30)", f"newest weights of {run} (step 30)",
    )  # fmt: skip
    assert found[trained[3]] == (f"newest weights of {run} (step 30)",)
    sizes = [row.checkpoint.size for row in listing.checkpoints]
    assert all(size > 0 for size in sizes)
    assert listing.size == sum(sizes)
    times = [row.checkpoint.time for row in listing.checkpoints]
    assert times == sorted(times, reverse=True)


def test_a_run_that_is_complete_needs_its_final_weights(trained, tmp_path):
    run = write_run(tmp_path / "run", trained, final=True)
    assert reasons(tinker_weights.list(tmp_path))[trained[2]] == (
        f"final weights of {run} (step 30)",
    )


@pytest.mark.parametrize("field", ["start_from", "reference"])
def test_what_another_run_starts_from_is_needed_by_it(trained, tmp_path, field):
    write_run(tmp_path / "one", trained, final=True)
    nested = {"loss": {"reference": trained[0]}}
    config = {"start_from": trained[0]} if field == "start_from" else nested
    other = write_run(tmp_path / "two", trained, final=True, config=config)
    assert f"{field} of {other}" in reasons(tinker_weights.list(tmp_path))[trained[0]]


def test_the_newest_state_of_a_run_that_is_not_here_is_kept_too(trained, tmp_path):
    found = reasons(tinker_weights.list(tmp_path))
    assert found[trained[2]] == ("newest state of a run whose folder is not known here",)
    assert found[trained[1]] == ()


def test_a_run_elsewhere_is_found_where_its_checkpoint_names_it(engine, trained, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    with tinker.ServiceClient(base_url=engine.base_url, api_key=engine.api_key) as service:
        model = service.create_lora_training_client(base_model="local/tiny", rank=2).result()
        metadata = {"run_dir": str(elsewhere)}
        path = model.save_state("1", user_metadata=metadata).result().path
    run = write_run(elsewhere, [path, path, path, path], final=False)
    (tmp_path / "here").mkdir()
    found = reasons(tinker_weights.list(tmp_path / "here"))
    assert f"resume of {run} (step 30)" in found[path]


def test_what_a_run_needs_and_the_engine_has_no_more_is_said(trained, rest, tmp_path):
    run = write_run(tmp_path / "run", trained, final=False)
    rest.delete_checkpoint_from_tinker_path(trained[2]).result()
    missing = tinker_weights.list(tmp_path).missing
    assert (trained[2], f"resume of {run} (step 30)") in missing


def test_long_lists_come_page_by_page(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("tinker_weights.inventory.engine._PAGE", 3)
    assert len(tinker_weights.list(tmp_path).checkpoints) == 4


def test_info_of_a_path_and_of_a_run(trained, tmp_path):
    run = write_run(tmp_path / "run", trained, final=True)
    found = tinker_weights.info(trained[0], runs=tmp_path)
    assert (found.base_model, found.rank, found.trained) == (
        "local/tiny", 2, ("attn", "mlp", "unembed"),
    )  # fmt: skip
    assert tinker_weights.info(str(run), runs=tmp_path).checkpoint.path == trained[3]
    assert tinker_weights.info(str(run), step=20, runs=tmp_path).checkpoint.path == trained[1]
    with pytest.raises(CheckpointError, match="the engine has no checkpoint"):
        tinker_weights.info(trained[0].replace("/10", "/99"))


def test_what_nothing_needs_is_deleted(trained, rest, tmp_path):
    write_run(tmp_path / "run", trained, final=True)
    assert tinker_weights.delete([trained[0]], runs=tmp_path) == (trained[0],)
    assert names(rest) == set(trained[1:])


@pytest.mark.parametrize("final", [True, False])
def test_what_a_run_needs_is_deleted_with_force_alone(trained, rest, tmp_path, final):
    write_run(tmp_path / "run", trained, final=final)
    with pytest.raises(CheckpointError, match=r"is needed: .*Nothing was changed; --force"):
        tinker_weights.delete(trained, runs=tmp_path)
    assert names(rest) == set(trained)
    tinker_weights.delete(trained, runs=tmp_path, force=True)
    assert names(rest) == set()


@pytest.mark.parametrize("answer", [True, False])
def test_a_question_decides_about_each_that_is_needed(trained, rest, tmp_path, answer):
    write_run(tmp_path / "run", trained, final=True)
    asked = []
    ask = lambda question: asked.append(question) or answer  # noqa: E731 - two lines say less
    if answer:
        tinker_weights.delete(trained, runs=tmp_path, ask=ask)
        assert names(rest) == set()
        assert len(asked) == 2
    else:
        with pytest.raises(CheckpointError):
            tinker_weights.delete(trained, runs=tmp_path, ask=ask)
        assert names(rest) == set(trained)
    assert trained[2] in asked[0]


def test_the_folder_of_a_run_names_all_of_its_checkpoints(trained, rest, tmp_path):
    run = write_run(tmp_path / "run", trained, final=True)
    tinker_weights.delete([str(run)], runs=tmp_path, force=True)
    assert names(rest) == set()


def test_a_lifetime_is_set_and_taken_away(trained, rest, tmp_path):
    write_run(tmp_path / "run", trained, final=True)
    tinker_weights.ttl(7200, [trained[0]], runs=tmp_path)
    expiring = {row.checkpoint.path: row.checkpoint.expires
                for row in tinker_weights.list(tmp_path).checkpoints}  # fmt: skip
    assert expiring[trained[0]] is not None
    assert expiring[trained[1]] is None
    tinker_weights.ttl("never", trained, runs=tmp_path)
    assert not any(row.checkpoint.expires for row in tinker_weights.list(tmp_path).checkpoints)


def test_a_lifetime_of_what_a_run_needs_is_asked_about(trained, tmp_path):
    write_run(tmp_path / "run", trained, final=False)
    with pytest.raises(CheckpointError, match="is needed: resume of"):
        tinker_weights.ttl(7200, [trained[2]], runs=tmp_path)
    tinker_weights.ttl(7200, [trained[2]], runs=tmp_path, force=True)


@pytest.mark.parametrize("seconds", [0, -1, 3599, 400_000_000])
def test_a_lifetime_out_of_range_is_refused(trained, seconds):
    with pytest.raises(ConfigError, match="expected 3600"):
        tinker_weights.ttl(seconds, trained)


@pytest.mark.parametrize("change", [
    lambda sources: tinker_weights.delete(sources),
    lambda sources: tinker_weights.ttl(7200, sources),
])  # fmt: skip
def test_nothing_named_and_nothing_there_are_errors(trained, change):
    with pytest.raises(ConfigError, match="name at least one checkpoint"):
        change([])
    with pytest.raises(CheckpointError, match="the engine has no checkpoint"):
        change([trained[0].replace("/10", "/99")])
    with pytest.raises(ConfigError, match="invalid checkpoint path"):
        change(["tinker://x"])
