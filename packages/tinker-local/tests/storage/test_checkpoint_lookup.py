"""Finding a checkpoint's folder without an engine."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import torch

from tinker_local.request_types import LoraSpec
from tinker_local.storage.checkpoint_lookup import checkpoint_folder
from tinker_local.storage.checkpoint_path import make_path
from tinker_local.storage.checkpoint_store import CheckpointMetadata, CheckpointStore

PATH = make_path("session-1:train:0", "sampler_weights", "final")


@pytest.fixture
def store(tmp_path):
    return CheckpointStore(tmp_path)


def write(store, expires=None):
    metadata = CheckpointMetadata(
        base_model="m", spec=LoraSpec(rank=1), created=datetime.now(UTC), expires=expires
    )
    store.write(PATH, metadata, {"base_model.model.q.lora_A.weight": torch.zeros(1, 2)}, {})


def test_a_stored_checkpoint_is_found_in_its_home(store, tmp_path, monkeypatch):
    write(store)
    assert checkpoint_folder(str(PATH), tmp_path) == store.folder(PATH)
    monkeypatch.setenv("TINKER_LOCAL_HOME", str(tmp_path))
    assert checkpoint_folder(str(PATH)) == store.folder(PATH)


@pytest.mark.parametrize(
    "path",
    ["tinker://session-1:train:0/weights/final", "tinker://hosted-id/weights/x", "runs/mine", ""],
)
def test_what_is_not_stored_here_is_none(store, tmp_path, path):
    write(store)
    assert checkpoint_folder(path, tmp_path) is None


def test_an_expired_checkpoint_is_none(store, tmp_path):
    write(store, expires=datetime.now(UTC) - timedelta(seconds=1))
    assert checkpoint_folder(str(PATH), tmp_path) is None


def test_the_lookup_imports_no_torch():
    code = "import sys, tinker_local.storage.checkpoint_lookup; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
