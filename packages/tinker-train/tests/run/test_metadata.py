"""The metadata of a run's checkpoints."""

from importlib.metadata import version
from pathlib import Path

import pytest

from tinker_core import Fingerprint
from tinker_train import Lora, RunConfig, create_run
from tinker_train.run.metadata import lora_shape, run_metadata


def test_the_metadata_name_the_run_its_model_data_and_versions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = RunConfig(model="m", run_dir=Path("run"))
    run = create_run(config.run_dir, config, engine="", seed=0)
    data = [Fingerprint(name="a.jsonl", digest="12ab"), Fingerprint(name="endless")]
    found = run_metadata(config, "chatml", {"lora_rank": "4"}, data)
    assert found.pop("run_id") in run.config_file.read_text()
    assert f"tinker-train {version('tinker-train')}" in found.pop("versions")
    assert found == {
        "run_dir": str(tmp_path / "run"),
        "base_model": "m",
        "renderer": "chatml",
        "lora_rank": "4",
        "data": "a.jsonl 12ab; endless unknown",
    }
    assert "renderer" not in run_metadata(config, None, {}, ())
    assert all(isinstance(value, str) for value in found.values())


@pytest.mark.parametrize(
    ("lora", "layers"),
    [
        (Lora(rank=3), "mlp, attn, unembed"),
        (Lora(rank=3, train_unembed=False), "mlp, attn"),
        (Lora(rank=3, train_mlp=False, train_unembed=False), "attn"),
    ],
)
def test_the_shape_of_a_lora_is_its_rank_and_its_layers(lora, layers):
    assert lora_shape(lora) == {"lora_rank": "3", "lora_layers": layers}
