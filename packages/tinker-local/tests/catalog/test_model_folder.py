"""The files that make a folder a model, and the licence in its card."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from catalog_files import write_folder, write_hub_snapshot
from safetensors.numpy import save_file

from tinker_local.catalog import (
    CatalogError,
    available,
    resolve,
)

pytestmark = pytest.mark.usefixtures("machine")


def test_every_shard_of_a_sharded_model_must_be_there(machine: Path) -> None:
    folder = write_folder(machine / "mine")
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    shards = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(shards))
    with pytest.raises(CatalogError, match=r"no model-2\.safetensors$"):
        resolve(str(folder))
    save_file({"b": np.zeros(1, np.float32)}, folder / "model-2.safetensors")
    assert resolve(str(folder)) == folder


def test_a_model_without_a_card_has_no_licence_that_we_know() -> None:
    (write_hub_snapshot("somebody/Model") / "README.md").unlink()
    assert available()[1].licence is None


@pytest.mark.parametrize("front_matter", ["", "---\ntags: chat\n---\n"])
def test_a_licence_in_the_text_of_a_card_is_not_its_statement(front_matter: str) -> None:
    snapshot = write_hub_snapshot("somebody/Model")
    (snapshot / "README.md").write_text(f"{front_matter}# A model\nlicense: mit\n")
    assert available()[1].licence is None
