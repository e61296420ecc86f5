"""Base models and adapters in memory, and their eviction, on the echo backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinker_local.errors import RequestError
from tinker_local.request_types import LoraSpec, SampleRequest
from tinker_local.service.loaded_models import MAX_ADAPTERS, LoadedModels, ModelLocation
from tinker_local.storage.checkpoint_store import CheckpointStore
from tinker_local.storage.snapshot_store import SnapshotStore

TINY = ModelLocation(name="tiny", folder=Path("tiny"))
OTHER = ModelLocation(name="other", folder=Path("other"))
REQUEST = SampleRequest(prompt=np.array([5]), max_tokens=1)


@pytest.fixture
def models(backend, tmp_path) -> LoadedModels:
    loaded = LoadedModels(backend, CheckpointStore(tmp_path), SnapshotStore(tmp_path))
    loaded.create_run("run", TINY, LoraSpec())
    return loaded


def test_the_least_recently_used_adapters_are_evicted_and_come_back(models):
    names = [f"s{i}" for i in range(MAX_ADAPTERS + 1)]
    for name in names:
        models.snapshot("run", name, inflight=False)
    assert list(models.adapters) == names[1:]
    models.start_sample(names[1], REQUEST)
    models.start_sample(names[0], REQUEST)
    assert list(models.adapters) == [*names[3:], names[1], names[0]]


def test_a_base_model_in_use_or_pinned_is_not_unloaded(models, backend):
    models.preload(OTHER)
    models.base(ModelLocation(name="third", folder=Path("third")))
    assert set(models.bases) == {TINY.folder, OTHER.folder, Path("third")}
    models.unload_run("run")
    models.base(ModelLocation(name="fourth", folder=Path("fourth")))
    assert set(models.bases) == {OTHER.folder, Path("fourth")}


def test_a_run_that_is_gone_and_a_sampler_that_is_gone_are_user_errors(models):
    models.unload_run("run")
    with pytest.raises(RequestError, match="model run is gone"):
        models.run("run")
    with pytest.raises(RequestError, match="sampler s is gone"):
        models.start_sample("s", REQUEST)
