"""The REST client and the `tinker` command line of the official SDK, on the real engine."""

from __future__ import annotations

import urllib.request
import warnings
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import tinker
import torch
from click.testing import CliRunner
from tinker import types
from tinker.cli.__main__ import main_cli as cli
from transformers import AutoModelForCausalLM

from tinker_local import catalog

TINY = "local/tiny"
TOKENS, TARGETS = [5, 6, 7, 8], [6, 7, 8, 9]
LOGPROBS: dict[str, np.ndarray] = {}
"""The logprobs of the targets that the engine computed, by training run."""


@pytest.fixture(scope="module")
def run(engine):
    """A training run with a checkpoint of each kind; its session has ended."""
    with tinker.ServiceClient(
        base_url=engine.base_url,
        api_key=engine.api_key,
        user_metadata={"who": "me"},
        display_name="the REST tests",
    ) as client:
        model = client.create_lora_training_client(
            base_model=TINY, rank=4, user_metadata={"a": "b"}
        ).result()
        datum = types.Datum(
            model_input=types.ModelInput.from_ints(TOKENS),
            loss_fn_inputs={"target_tokens": TARGETS, "weights": [1.0] * len(TARGETS)},
        )
        for _ in range(3):
            model.forward_backward([datum], "cross_entropy")
            model.optim_step(types.AdamParams(learning_rate=1e-2)).result()
        outputs = model.forward([datum], "cross_entropy").result().loss_fn_outputs
        LOGPROBS[model.model_id] = outputs[0]["logprobs"].to_numpy()
        model.save_state("state", ttl_seconds=7200, user_metadata={"step": "1"}).result()
        model.save_weights_for_sampler("sampler").result()
        model.save_weights_external("external").result()
        return model.model_id


def test_a_run_and_its_checkpoints_are_listed(rest, run):
    found = rest.get_training_run(run).result()
    assert (found.base_model, found.is_lora, found.lora_rank) == (TINY, True, 4)
    assert found.user_metadata == {"a": "b"}
    assert found.last_checkpoint.tinker_path == f"tinker://{run}/weights/state"
    assert found.last_sampler_checkpoint.checkpoint_id == "sampler_weights/sampler"
    kinds = {row.checkpoint_type for row in rest.list_checkpoints(run).result().checkpoints}
    assert kinds == {"training", "sampler", "external"}
    listed = rest.list_training_runs(limit=100).result()
    assert run in [row.training_run_id for row in listed.training_runs]
    assert listed.cursor.total_count == len(listed.training_runs)
    by_path = rest.get_training_run_by_tinker_path(f"tinker://{run}/weights/state").result()
    assert by_path.training_run_id == run


def test_pages_of_checkpoints_cover_the_list_once(rest, run):
    whole = rest.list_user_checkpoints(limit=100).result()
    paths = [row.tinker_path for row in whole.checkpoints]
    pages = [rest.list_user_checkpoints(limit=1, offset=n).result() for n in range(len(paths))]
    assert [page.checkpoints[0].tinker_path for page in pages] == paths
    times = [row.time for row in whole.checkpoints]
    assert times == sorted(times, reverse=True)


def test_a_checkpoint_keeps_its_metadata_size_and_expiry(rest, run):
    rows = {row.checkpoint_id: row for row in rest.list_checkpoints(run).result().checkpoints}
    state = rows["weights/state"]
    assert state.user_metadata == {"step": "1"}
    assert state.size_bytes > rows["sampler_weights/sampler"].size_bytes > 1000
    remaining = state.expires_at - datetime.now(UTC)
    assert timedelta(minutes=100) < remaining < timedelta(minutes=121)
    assert rows["sampler_weights/sampler"].expires_at is None


def test_publication_and_expiry_can_be_changed(rest, run):
    path = f"tinker://{run}/sampler_weights/sampler"

    def row():
        rows = rest.list_checkpoints(run).result().checkpoints
        return next(row for row in rows if row.tinker_path == path)

    rest.publish_checkpoint_from_tinker_path(path).result()
    rest.publish_checkpoint_from_tinker_path(path).result()
    rest.set_checkpoint_ttl_from_tinker_path(path, 3600).result()
    assert row().public
    assert row().expires_at is not None
    rest.unpublish_checkpoint_from_tinker_path(path).result()
    rest.set_checkpoint_ttl_from_tinker_path(path, None).result()
    assert not row().public
    assert row().expires_at is None


def test_weights_info_describes_a_checkpoint(rest, run):
    info = rest.get_weights_info_by_tinker_path(f"tinker://{run}/weights/state").result()
    assert (info.base_model, info.lora_rank, info.train_mlp) == (TINY, 4, True)


def test_external_weights_are_downloaded_without_a_key_and_read_by_peft(rest, run, tmp_path):
    peft = pytest.importorskip("peft")
    urls = rest.get_external_weights_urls(f"tinker://{run}/external_weights/external").result()
    assert urls.expires > datetime.now(UTC) + timedelta(minutes=50)
    for name, url in urls.urls.items():
        with urllib.request.urlopen(url) as response:
            (tmp_path / name).write_bytes(response.read())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about tied embeddings, among others
        base = AutoModelForCausalLM.from_pretrained(catalog.resolve(TINY), dtype=torch.float32)
        model = peft.PeftModel.from_pretrained(base, str(tmp_path))
    with torch.no_grad():
        logits = model(torch.tensor([TOKENS])).logits[0]
    theirs = logits.log_softmax(-1)[range(len(TARGETS)), TARGETS]
    np.testing.assert_allclose(theirs.numpy(), LOGPROBS[run], atol=1e-4)


def test_a_copy_outlives_its_source(rest, client):
    model = client.create_lora_training_client(base_model=TINY, rank=4).result()
    source = model.save_state("source").result().path
    copy = client.copy_weights(source, ttl_seconds=3600).result()
    rest.delete_checkpoint_from_tinker_path(source).result()
    with pytest.raises(tinker.NotFoundError):
        rest.get_weights_info_by_tinker_path(source).result()
    restored = client.create_training_client_from_state_with_optimizer(copy).result()
    assert restored.get_info().lora_rank == 4


def test_sessions_are_listed_found_and_have_a_state(rest, run):
    session_id = run.split(":")[0]
    assert session_id in rest.list_sessions().result().sessions
    session = rest.get_session(session_id).result()
    assert session.training_run_ids == [run]
    assert (session.user_metadata, session.display_name) == ({"who": "me"}, "the REST tests")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tinker.ExperimentalWarning)
        check_search(rest, session_id)


def check_search(rest, session_id):
    query = types.SessionSearchRequest(display_name="rest TESTS", user_metadata={"who": "me"})
    (found,) = rest.search_sessions(query).result().sessions
    assert (found.session_id, found.checkpoints_count) == (session_id, 3)
    assert found.status.type == "client_finished"
    nothing = types.SessionSearchRequest(display_name="something else")
    assert rest.search_sessions(nothing).result().sessions == []


def test_a_sampler_names_the_source_of_its_weights(rest, client, run):
    path = f"tinker://{run}/sampler_weights/sampler"
    sampler = client.create_sampling_client(model_path=path).result()
    found = rest.get_sampler(sampler._sampling_session_id).result()
    assert (found.base_model, found.model_path) == (TINY, path)


def test_models_on_this_machine_are_listed(rest):
    offered = rest.get_server_capabilities().result().supported_models
    tiny = next(model for model in offered if model.model_name == TINY)
    assert tiny.max_context_length == 1024


def test_whoami_works_with_a_token(rest):
    assert rest.whoami().result().email == "me@localhost"


def test_unknown_runs_and_checkpoints_are_not_found(rest):
    with pytest.raises(tinker.NotFoundError, match="unknown training run"):
        rest.get_training_run("session-0:train:0").result()
    with pytest.raises(tinker.NotFoundError):
        rest.get_session("session-0").result()


def test_a_wrong_key_is_refused(engine):
    with pytest.raises(tinker.AuthenticationError, match="key"):
        tinker.RestClient(base_url=engine.base_url, api_key="tml-wrong")


@pytest.fixture
def command(engine, tmp_path, monkeypatch):
    """Run the SDK's command line in this process; the JSON that it prints."""
    monkeypatch.setenv("TINKER_BASE_URL", engine.base_url)
    monkeypatch.setenv("TINKER_API_KEY", engine.api_key)
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(*arguments):
        result = CliRunner().invoke(cli, ["-f", "json", *arguments])
        assert result.exit_code == 0, f"{arguments}: {result.output}"
        return result.output

    return run


@pytest.mark.parametrize(
    "arguments",
    [
        ["version"],
        ["auth", "status"],
        ["auth", "whoami"],
        ["model", "list", "tiny"],
        ["run", "list"],
        ["run", "info", "RUN"],
        ["checkpoint", "list"],
        ["checkpoint", "list", "--run-id", "RUN"],
        ["checkpoint", "info", "tinker://RUN/weights/state"],
        ["checkpoint", "publish", "tinker://RUN/weights/state"],
        ["checkpoint", "unpublish", "tinker://RUN/weights/state"],
        ["checkpoint", "set-ttl", "tinker://RUN/weights/state", "--ttl", "7200"],
        ["session", "export-trace", "SESSION", "--output", "FOLDER/trace.json"],
        ["billing", "usage", "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"],
        ["billing", "checkpoint-storage"],
    ],
    ids=lambda arguments: "-".join(arguments[:2]),
)
def test_the_command_line_works(command, run, tmp_path, arguments):
    places = {"RUN": run, "SESSION": run.split(":")[0], "FOLDER": str(tmp_path)}
    for name, value in places.items():
        arguments = [word.replace(name, value) for word in arguments]
    command(*arguments)


def test_the_command_line_downloads_and_deletes(command, client, tmp_path):
    model = client.create_lora_training_client(base_model=TINY, rank=4).result()
    path = model.save_state("download-me").result().path
    command("checkpoint", "download", path, "--output", str(tmp_path))
    files = {file.name for file in tmp_path.rglob("adapter*")}
    assert files == {"adapter_config.json", "adapter_model.safetensors"}
    command("checkpoint", "delete", path, "--yes")
    assert "download-me" not in command("checkpoint", "list")
