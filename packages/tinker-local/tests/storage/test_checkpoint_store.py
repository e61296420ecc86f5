"""Checkpoints on disk."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import torch

from tinker_local.errors import NotFoundError, RequestError
from tinker_local.request_types import LoraSpec
from tinker_local.storage import atomic_write, checkpoint_store
from tinker_local.storage.checkpoint_path import make_path
from tinker_local.storage.checkpoint_store import CheckpointMetadata, CheckpointStore, expiry

RUN = "session-1:train:0"
LORA_A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
ADAPTER = {LORA_A: torch.arange(4.0).reshape(1, 4)}
OPTIMIZER = {"optimizer.step": torch.tensor(3)}


def metadata(**fields):
    return CheckpointMetadata(
        **{"base_model": "tiny", "spec": LoraSpec(rank=1), "created": datetime.now(UTC), **fields}
    )


@pytest.fixture
def kept(tmp_path):
    return CheckpointStore(tmp_path)


@pytest.fixture
def path(kept):
    """A training checkpoint in the store."""
    written = make_path(RUN, "weights", "one")
    kept.write(written, metadata(), ADAPTER, OPTIMIZER)
    return written


def same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def test_a_checkpoint_is_read_back_to_the_bit(kept, path):
    same(kept.tensors(path, optimizer=True), ADAPTER | OPTIMIZER)
    same(kept.tensors(path, optimizer=False), ADAPTER)


def test_metadata_survives_a_restart_of_the_server(tmp_path, kept):
    written = metadata(user_metadata={"a": "b"}, expires=datetime.now(UTC) + timedelta(hours=1))
    kept.write(make_path(RUN, "weights", "x"), written, ADAPTER, OPTIMIZER)
    assert CheckpointStore(tmp_path).metadata(make_path(RUN, "weights", "x")) == written


def test_an_existing_name_needs_overwrite(kept, path):
    with pytest.raises(RequestError, match="exists already"):
        kept.write(path, metadata(), ADAPTER, OPTIMIZER)
    newer = {LORA_A: torch.ones(1, 4)}
    kept.write(path, metadata(), newer, OPTIMIZER, overwrite=True)
    same(kept.tensors(path, optimizer=False), newer)


def test_only_training_checkpoints_hold_an_optimizer(kept):
    path = make_path(RUN, "sampler_weights", "one")
    kept.write(path, metadata(), ADAPTER, {})
    assert not (kept.folder(path) / "optimizer.safetensors").exists()
    with pytest.raises(RequestError, match="no optimizer state"):
        kept.tensors(path, optimizer=True)


def test_a_full_disk_is_an_error_of_the_server_and_leaves_the_old_checkpoint(
    kept, path, monkeypatch
):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_store, "_adapter_config", full)
    with pytest.raises(RequestError, match="No space left") as failure:
        kept.write(path, metadata(), {LORA_A: torch.ones(1, 4)}, OPTIMIZER, overwrite=True)
    assert failure.value.category == "server"
    same(kept.tensors(path, optimizer=True), ADAPTER | OPTIMIZER)


def test_the_leftovers_of_a_crash_are_removed_at_a_start(kept, path, monkeypatch):
    leftover = kept.folder(path).with_name(f"{atomic_write.NEW}x")
    leftover.mkdir()
    monkeypatch.setattr(atomic_write, "WRITE_S", -1.0)
    kept.clean_up()
    assert not leftover.exists()
    same(kept.tensors(path, optimizer=False), ADAPTER)


def test_a_listing_is_newest_first_and_passes_by_what_is_half_written(kept, path):
    later = make_path("session-2:train:0", "weights", "two")
    kept.write(
        later, metadata(created=datetime.now(UTC) + timedelta(seconds=1)), ADAPTER, OPTIMIZER
    )
    (kept.folder(path).parent / f"{atomic_write.NEW}abc").mkdir()
    assert [row[0] for row in kept.listing()] == [later, path]
    assert [row[0] for row in kept.listing(RUN)] == [path]


def test_a_damaged_checkpoint_is_reported_and_does_not_hide_the_others(kept, path, caplog):
    broken = make_path(RUN, "weights", "broken")
    kept.write(broken, metadata(), ADAPTER, OPTIMIZER)
    (kept.folder(broken) / "meta.json").write_text("{")
    assert [row[0] for row in kept.listing()] == [path]
    assert "meta.json cannot be read" in caplog.text
    (kept.folder(path) / "adapter_model.safetensors").write_bytes(b"cut")
    with pytest.raises(RequestError, match=r"adapter_model\.safetensors") as failure:
        kept.tensors(path, optimizer=False)
    assert failure.value.category == "server"


def test_an_expired_checkpoint_is_gone_and_its_name_is_free(kept):
    path = make_path(RUN, "weights", "brief")
    kept.write(path, metadata(expires=datetime.now(UTC) - timedelta(seconds=1)), ADAPTER, OPTIMIZER)
    with pytest.raises(NotFoundError, match="expired"):
        kept.metadata(path)
    assert kept.listing() == []
    kept.write(path, metadata(), ADAPTER, OPTIMIZER)
    assert len(kept.listing()) == 1


def test_only_expired_checkpoints_are_deleted(kept, path):
    old = make_path(RUN, "weights", "old")
    kept.write(old, metadata(expires=datetime.now(UTC) - timedelta(seconds=1)), ADAPTER, OPTIMIZER)
    kept.delete_expired()
    assert not kept.folder(old).exists()
    assert kept.folder(path).exists()


def test_changes_of_publication_and_expiry_last(kept, path):
    kept.change(path, public=True, expires=expiry(3600))
    assert kept.metadata(path).public
    assert kept.metadata(path).expires > datetime.now(UTC) + timedelta(minutes=59)
    kept.change(path, expires=None)
    assert kept.metadata(path).expires is None


def test_a_copy_does_not_depend_on_its_source(kept, path):
    copy = make_path("copy-1:train:0", "weights", "one")
    kept.copy(path, copy, None)
    kept.delete(path)
    same(kept.tensors(copy, optimizer=True), ADAPTER | OPTIMIZER)
    with pytest.raises(NotFoundError):
        kept.delete(path)


def test_peft_reads_the_config(kept, path):
    peft = pytest.importorskip("peft")
    config = peft.PeftConfig.from_pretrained(str(kept.folder(path)))
    assert config.r == 1
    assert config.lora_alpha == 32
    assert config.target_modules == {"q_proj"}
    assert config.base_model_name_or_path == "tiny"
    assert config.task_type == "CAUSAL_LM"


def test_a_time_beyond_the_calendar_is_a_user_error():
    with pytest.raises(RequestError, match="ttl_seconds"):
        expiry(10**15)


def test_meta_is_plain_json(kept, path):
    rows = json.loads((kept.folder(path) / "meta.json").read_text())
    assert rows["base_model"] == "tiny"
    assert rows["spec"]["rank"] == 1
