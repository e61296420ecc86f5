"""Cards, and folders on their way to a hub."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file
from weights_hub import serve

import tinker_weights
from tinker_core import ConfigError, DataError
from tinker_weights.checkpoint.run_directory import read_run
from tinker_weights.publish.card import make_card
from tinker_weights.publish.curves import curve, draw
from tinker_weights.publish.markdown import code, inline, table, without_places

pytestmark = pytest.mark.filterwarnings("ignore:.*content=.*raw bytes:DeprecationWarning")
"""The hub's client uploads in a way that its HTTP library deprecates."""

BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"


def write_run(folder: Path, model: str = BASE, **config) -> Path:
    folder.mkdir(parents=True)
    settings = {
        "type": "tinker_sl.cli:FileConfig", "model": model, "run_dir": "/home/somebody/run",
        "lora": {"rank": 16, "train_attn": True, "train_mlp": True, "train_unembed": False},
        "adam": {"learning_rate": 0.0002}, "num_epochs": 2, "seed": 3, "renderer": "chatml",
        "schedule": {"type": "tinker_train.optim.schedule:Cosine"},
        "data": {"type": "x:ConversationFile", "path": "/home/somebody/secret|place/chats.jsonl"},
        **config,
    }  # fmt: skip
    description = {
        "run_id": "x", "created": "2026-11-28T10:00:00Z", "git_revision": "abc",
        "versions": {"tinker-sl": "0.1.0"}, "config": settings,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(description))
    rows = [{"step": step, "train/nll": 2.0 / (step + 1), "test/nll": None if step % 2 else 3.0}
            for step in range(5)]  # fmt: skip
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    record = {"name": "5", "progress": {"step": 5}, "state_path": "tinker://r/weights/5",
              "final": True}  # fmt: skip
    (folder / "checkpoints.jsonl").write_text(json.dumps(record) + "\n")
    return folder


def write_evals(folder: Path) -> Path:
    (folder / "sums").mkdir(parents=True)
    score = {"value": 0.5, "standard_error": 0.1, "low": 0.31, "high": 0.69, "n": 20}
    unsure = {"value": 1.0, "standard_error": None, "low": None, "high": None, "n": 1}
    result = {"task": "sums", "summary": {"scores": {"strict": score, "lenient": unsure}}}
    (folder / "sums" / "result.json").write_text(json.dumps(result))
    return folder


def write_adapter(folder: Path, base: str = BASE) -> Path:
    folder.mkdir(parents=True)
    save_file({"x": torch.zeros(100)}, folder / "adapter_model.safetensors")
    config = {"r": 1, "lora_alpha": 1, "base_model_name_or_path": base}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "checkpoint.json").write_text('{"path": "tinker://private"}')
    save_file({"x": torch.zeros(1)}, folder / "optimizer.safetensors")
    (folder / ".hidden").write_text("mine")
    return folder


def parts_of(card: str):
    """The front matter as YAML, and the rest."""
    _, matter, text = card.split("---\n", 2)
    return yaml.safe_load(matter), text


def test_a_card_prefers_what_the_checkpoint_was_trained_with_to_the_config(tmp_path):
    run = write_run(tmp_path / "run", renderer=None)
    metadata = {"renderer": "llama3", "lora_rank": "7", "lora_layers": "attn"}
    records = run / "checkpoints.jsonl"
    records.write_text(json.dumps(json.loads(records.read_text()) | {"metadata": metadata}) + "\n")
    text = tinker_weights.card(run, tmp_path / "README.md").read_text()
    assert "| renderer | llama3 |" in text
    assert "| LoRA | rank 7 on attn |" in text


def test_a_card_says_where_the_model_comes_from_and_what_it_scores(tmp_path):
    run, evals = write_run(tmp_path / "my-run"), write_evals(tmp_path / "evals")
    file = tinker_weights.card(run, tmp_path / "README.md", evals=evals)
    matter, text = parts_of(file.read_text())
    assert matter["base_model"] == BASE
    assert matter["base_model_relation"] == "adapter"
    assert matter["license"] == "apache-2.0"
    assert matter["library_name"] == "peft"
    assert "sft" in matter["tags"]
    for expected in (
        "# my-run", "supervised fine-tuning for 5 optimizer steps", "the run is complete",
        "| LoRA | rank 16 on mlp, attn |", "| data | chats.jsonl |", "| learning rate | 0.0002 |",
        "| schedule | Cosine |", "| renderer | chatml |", "| train/nll | 2 | 0.4 |",
        "| sums | strict | 0.500 | 0.310 to 0.690 | 20 |", "| sums | lenient | 1.000 |  | 1 |",
        "| git revision | abc |", f"AutoModelForCausalLM.from_pretrained('{BASE}'",
    ):  # fmt: skip
        assert expected in text, expected


def test_a_card_does_not_give_away_the_folders_of_the_machine(tmp_path):
    run = write_run(tmp_path / "run", other=["~/private/x", "..\\up\\y", {"deep": "/etc/z"}])
    text = make_card(read_run(run), "model").text
    assert "somebody" not in text
    assert "secret" not in text
    assert "private" not in text
    assert '"deep": "z"' in text


def test_the_picture_is_svg_with_a_line_for_each_metric(tmp_path):
    run = write_run(tmp_path / "run")
    tinker_weights.card(run, tmp_path / "README.md")
    root = ElementTree.fromstring((tmp_path / "curves.svg").read_text())
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    titles = {text.text for text in root.iter(f"{space}text")}
    assert {"test/nll", "train/nll"} <= titles
    lines = [line.get("points").split() for line in root.iter(f"{space}polyline")]
    assert sorted(map(len, lines)) == [3, 5]
    assert "curves.svg" in (tmp_path / "README.md").read_text()


def test_a_line_goes_from_corner_to_corner_and_a_constant_is_drawn():
    root = ElementTree.fromstring(
        draw([("a", [(0, 1.0), (10, 3.0)]), ("<b>", [(1, 2.0), (2, 2.0)])])
    )
    first, second = (
        [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        for line in root.iter("{http://www.w3.org/2000/svg}polyline")
    )
    assert first == [(44.0, 156.0), (316.0, 44.0)]
    assert {y for _, y in second} == {156.0}


def test_a_curve_leaves_out_what_is_no_number():
    rows = [{"step": 0, "x": None}, {"step": 1, "x": float("nan")}, {"step": 2, "x": 3}, {"x": 4}]
    assert curve(rows, "x") == [(2.0, 3.0)]


def test_text_from_a_config_cannot_break_the_page():
    assert inline("a|b\n# c <script>") == "a\\|b \\# c \\<script\\>"
    assert table(("k",), [("a|b",)]).splitlines()[-1] == "| a\\|b |"
    assert code("```\nend", "").startswith("````\n```")
    assert without_places({"a": "/x/y.jsonl", "b": "tinker://r/weights/1"}) == {
        "a": "y.jsonl", "b": "tinker://r/weights/1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("tinker_dpo.cli:Config", "preference learning"),
        ("tinker_rl.config:Config", "reinforcement learning"),
        ("mine:Config", "post-training"),
    ],
)
def test_a_card_names_what_the_run_did(tmp_path, kind, expected):
    run = write_run(tmp_path / "run", type=kind)
    assert f"Trained by {expected}" in make_card(read_run(run), "adapter").text


def test_a_base_model_that_is_a_folder_is_no_metadata(tmp_path):
    run = write_run(tmp_path / "run", model=str(tmp_path))
    matter, _ = parts_of(make_card(read_run(run), "adapter").text)
    assert "base_model" not in matter


def test_damaged_and_missing_evals_are_errors_that_name_the_place(tmp_path):
    run = write_run(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"holds no result of `tinker-evals`"):
        tinker_weights.card(run, tmp_path / "README.md", evals=tmp_path / "run")
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "result.json").write_text('{"task": "x"}')
    with pytest.raises(DataError, match=r"result\.json: is no result of an eval"):
        tinker_weights.card(run, tmp_path / "README.md", evals=tmp_path / "evals")


def test_a_card_that_is_there_is_left_alone_unless_told(tmp_path):
    run = write_run(tmp_path / "run")
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        tinker_weights.card(run, tmp_path / "README.md")
    tinker_weights.card(run, tmp_path / "README.md", overwrite=True)
    assert "mine" not in (tmp_path / "README.md").read_text()


def test_without_a_network_the_folder_is_ready(tmp_path):
    folder, run = write_adapter(tmp_path / "adapter"), write_run(tmp_path / "run")
    done = tinker_weights.publish(folder, "me/model", run=run, upload=False)
    assert done.url is None
    assert done.command.startswith(f"hf upload me/model {folder} .")
    matter, text = parts_of((folder / "README.md").read_text())
    assert matter["library_name"] == "peft"
    assert "PeftModel.from_pretrained(base, 'me/model')" in text
    assert (folder / "curves.svg").is_file()


@pytest.fixture
def hub(monkeypatch):
    """A hub that the client takes for the real one."""
    with serve() as running:
        reach(monkeypatch, running.url)
        yield running


def reach(monkeypatch, url):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", "hf_test")


@pytest.fixture
def folder(tmp_path):
    return write_adapter(tmp_path / "adapter")


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run")


def test_an_upload_brings_the_model_and_its_card_and_nothing_private(hub, folder, run):
    done = tinker_weights.publish(folder, "me/model", run=run)
    assert done.url == f"{hub.url}/me/model/commit/1"
    assert set(hub.files) == {
        "README.md", "curves.svg", "adapter_config.json", "adapter_model.safetensors",
    }  # fmt: skip
    for name, content in hub.files.items():
        assert content == (folder / name).read_bytes()


@pytest.mark.parametrize("public", [True, False])
def test_only_a_flag_makes_a_repository_public(hub, folder, run, public):
    tinker_weights.publish(folder, "me/model", run=run, public=public)
    assert hub.is_private("me/model") is not public


def test_a_hub_that_cannot_be_reached_leaves_the_folder_ready_and_says_how_to_go_on(
    monkeypatch, folder, run
):
    reach(monkeypatch, "http://127.0.0.1:9")
    done = tinker_weights.publish(folder, "me/model", run=run)
    assert done.url is None
    assert done.reason
    assert "hf upload me/model" in done.command
    assert (folder / "README.md").is_file()


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "hf auth login"), (403, "hf auth"), (400, "")]
)
def test_a_hub_that_refuses_is_an_error_that_says_so(hub, folder, run, status, advice):
    hub.refuse = status
    with pytest.raises(ConfigError, match=f"refused me/model .status {status}.*{advice}"):
        tinker_weights.publish(folder, "me/model", run=run)


def test_without_a_token_the_error_says_how_to_log_in(hub, folder, run, monkeypatch, tmp_path):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    hub.refuse = 401
    with pytest.raises(ConfigError, match="log in with `hf auth login`"):
        tinker_weights.publish(folder, "me/model", run=run)


def test_what_nobody_else_could_load_is_refused(tmp_path):
    run = write_run(tmp_path / "run")
    for base in (str(tmp_path), "local/tiny", ""):
        folder = write_adapter(tmp_path / f"adapter-{len(base)}", base)
        with pytest.raises(ConfigError, match="which nobody else can load: export it again"):
            tinker_weights.publish(folder, "me/model", run=run, upload=False)


@pytest.mark.parametrize("repository", ["model", "me/", "a/b/c", "me/mo del", "/me", ""])
def test_what_is_no_name_on_the_hub_is_refused(tmp_path, repository):
    with pytest.raises(ConfigError, match="is no name on the hub"):
        tinker_weights.publish(write_adapter(tmp_path / "a"), repository, upload=False)


def test_a_folder_without_a_model_or_without_a_card_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no adapter, no merged model and no GGUF"):
        tinker_weights.publish(tmp_path / "empty", "me/model", upload=False)
    with pytest.raises(ConfigError, match=r"has no README\.md: name the run"):
        tinker_weights.publish(write_adapter(tmp_path / "a"), "me/model", upload=False)


@pytest.mark.parametrize(("files", "library"), [
    (["config.json", "model.safetensors"], "transformers"), (["model-q4_k_m.gguf"], "gguf"),
])  # fmt: skip
def test_each_kind_of_folder_has_its_card(tmp_path, files, library):
    folder, run = tmp_path / "model", write_run(tmp_path / "run")
    folder.mkdir()
    for name in files:
        (folder / name).write_text("{}")
    tinker_weights.publish(folder, "me/model", run=run, upload=False)
    matter, text = parts_of((folder / "README.md").read_text())
    assert matter["library_name"] == library
    assert matter["base_model_relation"] == "finetune"
    assert ("vllm serve me/model" if library == "transformers" else "ollama run") in text
