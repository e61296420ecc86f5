"""Finding a base model by its name."""

from __future__ import annotations

import json

import pytest

from tinker_core import ConfigError
from tinker_weights.base_model.find import find_base_model
from tinker_weights.base_model.outline import outline


def test_a_name_that_a_local_engine_knows_is_found_in_its_package():
    folder = find_base_model("local/tiny")
    assert (folder / "model.safetensors").is_file()
    assert outline("local/tiny").architecture == "LlamaForCausalLM"


def test_the_home_folder_can_be_written_with_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    assert find_base_model("~/model", weights=False) == tmp_path / "model"


def test_names_come_from_the_index_where_the_weights_are_not_here(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    index = {"weight_map": {"lm_head.weight": "model-00001-of-00002.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert dict(outline(str(tmp_path)).shapes) == {"lm_head.weight": None}


@pytest.mark.parametrize("files", [[], ["config.json"]])
def test_a_folder_without_a_model_says_what_is_missing(tmp_path, files):
    for name in files:
        (tmp_path / name).write_text("{}")
    missing = "model.safetensors" if files else "config.json"
    with pytest.raises(ConfigError, match=f"{missing} is not there"):
        find_base_model(str(tmp_path))


def test_a_name_that_is_nowhere_says_what_was_tried_and_what_to_do():
    with pytest.raises(ConfigError, match=r"not in the Hugging Face cache.*--base"):
        find_base_model("nobody/nothing")
