"""Snapshots on disk: which are evicted, and which are left behind."""

from __future__ import annotations

import os
import time

import pytest
import torch

from tinker_local.errors import RequestError
from tinker_local.request_types import LoraSpec
from tinker_local.storage.snapshot_store import SnapshotStore

NAME = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
ADAPTER = {NAME: torch.arange(4.0).reshape(1, 4)}


def test_the_least_recently_used_snapshots_are_evicted(tmp_path):
    snapshots = SnapshotStore(tmp_path, limit=2)
    for name in ("a", "b"):
        snapshots.put(name, LoraSpec(), ADAPTER)
    snapshots.get("a")
    snapshots.put("c", LoraSpec(rank=2), ADAPTER)
    with pytest.raises(RequestError, match="Save weights by name"):
        snapshots.get("b")
    assert torch.equal(snapshots.get("a")[1][NAME], ADAPTER[NAME])
    assert snapshots.get("c")[0] == LoraSpec(rank=2)
    assert len(list(snapshots.folder.iterdir())) == 2


def test_only_snapshots_of_killed_servers_are_deleted(tmp_path):
    killed, living, mine = SnapshotStore(tmp_path), SnapshotStore(tmp_path), SnapshotStore(tmp_path)
    for snapshots in (killed, living):
        snapshots.put("a", LoraSpec(), ADAPTER)
    os.utime(killed.folder, (0, time.time() - 2 * 3600))
    mine.clean_up()
    assert not killed.folder.exists()
    assert torch.equal(living.get("a")[1][NAME], ADAPTER[NAME])
    living.close()
    assert not living.folder.exists()
