"""The trained weights themselves, where a server hands them out as external weights."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tinker_conformance.client.shown import Shown
from tinker_conformance.client.trainer import Trainer
from tinker_conformance.expect import RefusedError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@frozen(eq=False)
class Adapter:
    """A LoRA in PEFT's layout."""

    config: dict[str, Any]
    tensors: dict[str, NDArray[np.float64]]
    path: Shown
    """The checkpoint that it was read from."""

    def matrices(self, letter: str) -> dict[str, NDArray[np.float64]]:
        """The A or the B matrices by name."""
        return {n: t for n, t in self.tensors.items() if f".lora_{letter}." in n}

    def flat(self) -> NDArray[np.float64]:
        """All weights as one vector, in the order of their names."""
        return np.concatenate([self.tensors[name].ravel() for name in sorted(self.tensors)])


def download(trainer: Trainer, name: str) -> Adapter:
    """A trainer's present weights."""
    server = trainer.server
    path = trainer.save("save_weights_external", name=name).result().show("$.path")
    urls: dict[str, str] = server.rest("get_external_weights_urls", path).value.urls
    if not {CONFIG, WEIGHTS} <= urls.keys():
        raise RefusedError(f"external weights are {', '.join(urls)}, not {CONFIG} and {WEIGHTS}")
    files = {}
    for file in (CONFIG, WEIGHTS):
        with urllib.request.urlopen(urls[file], timeout=server.timeout) as response:
            files[file] = response.read()
    return Adapter(json.loads(files[CONFIG]), read_safetensors(files[WEIGHTS]), path)


def read_safetensors(raw: bytes) -> dict[str, NDArray[np.float64]]:
    """The float32 tensors of a safetensors file; `RefusedError` for coarser ones."""
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] != "F32":
            raise RefusedError(f"external weights are {entry['dtype']}, too coarse to compare")
        start, end = (8 + size + offset for offset in entry["data_offsets"])
        values = np.frombuffer(raw[start:end], "<f4").astype(np.float64)
        tensors[name] = values.reshape(entry["shape"])
    return tensors
