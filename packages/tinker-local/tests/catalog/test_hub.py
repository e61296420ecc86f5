"""Models in the cache of the hub."""

from __future__ import annotations

import pytest
from catalog_files import write_hub_snapshot

from tinker_local.catalog import (
    CatalogError,
    resolve,
    tokenizer_folder,
)

pytestmark = pytest.mark.usefixtures("machine")
SMOLLM2_NAMES = [
    "HuggingFaceTB/SmolLM2-135M-Instruct",
    "smollm2-135m-instruct",
    "local/smollm2-135m-instruct",
]


def test_a_model_in_the_cache_of_the_hub_is_used_offline() -> None:
    snapshot = write_hub_snapshot("somebody/Model")
    assert resolve("somebody/Model") == snapshot
    assert tokenizer_folder("somebody/Model") == snapshot


def test_an_interrupted_download_in_the_hub_cache_is_not_used() -> None:
    (write_hub_snapshot("somebody/Model") / "model.safetensors").unlink()
    assert tokenizer_folder("somebody/Model") is None
    with pytest.raises(CatalogError, match="somebody/Model"):
        resolve("somebody/Model")


def test_the_hub_copy_of_smollm2_serves_when_it_is_cached() -> None:
    snapshot = write_hub_snapshot("HuggingFaceTB/SmolLM2-135M-Instruct")
    assert {resolve(name) for name in SMOLLM2_NAMES} == {snapshot}
