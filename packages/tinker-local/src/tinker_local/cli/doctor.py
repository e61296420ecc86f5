"""`tinker-local doctor`: a report about this machine, and what can be trained on it."""

from __future__ import annotations

import importlib.metadata
import math
import os
import platform
from collections.abc import Iterator

from tinker_local import catalog
from tinker_local.cli import machine
from tinker_local.home import home_folder

SIZES = (0.135, 0.36, 0.6, 1.7, 4, 8, 14, 32, 70)
"""Common sizes of models, in billions of parameters."""
BYTES = {"float32": 4, "bfloat16": 2}
ADAPTER = 16_000
"""A rank-32 LoRA of all layers has about 1,000 sqrt(P) parameters, because layers x width is near
1.5 sqrt(P) in models of 0.1 to 30 B. Weight, gradient and two moments in float32 are 16 bytes."""
ACTIVATIONS = 37_000
"""Activations of a micro-batch of 1,024 tokens, in units of sqrt(P). Measured on SmolLM2-135M,
where a step peaked at 2.9 GB in float32 and 2.0 GB in bfloat16."""
PROCESS = 0.5e9
FORMULA = (
    "P parameters of b bytes (4, 2): P b + sqrt(P) (16,000 + 37,000 b) + 0.5 GB, for a rank-32 "
    "LoRA with its optimizer and micro-batches of 1,024 tokens"
)


def training_bytes(parameters: float, dtype: str) -> float:
    """The estimated bytes of training a LoRA; see `FORMULA`."""
    size = BYTES[dtype]
    return parameters * size + math.sqrt(parameters) * (ADAPTER + ACTIVATIONS * size) + PROCESS


def largest(memory: float, dtype: str) -> float:
    """The parameters of the largest model whose training is estimated to fit."""
    size, spare = BYTES[dtype], max(0.0, memory - PROCESS)
    half = (ADAPTER + ACTIVATIONS * size) / (2 * size)
    return (math.sqrt(half**2 + spare / size) - half) ** 2


def report() -> Iterator[str]:
    """The lines of the report."""
    yield from _software()
    yield from _hardware()
    yield from _settings()
    yield from _sizes()
    yield from _models()


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _software() -> Iterator[str]:
    names = ("tinker-local", "torch", "transformers")
    versions = ", ".join(f"{name} {_version(name)}" for name in names)
    yield f"software   Python {platform.python_version()}, {versions}"
    yield f"SDK        tinker {_version('tinker')}"


def _hardware() -> Iterator[str]:
    quota = machine.core_quota()
    limit = f", of which a container limit leaves {quota:g}" if quota is not None else ""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    yield f"cores      {machine.cores()} of {os.cpu_count()}{limit}{load}"
    memory = machine.memory()
    yield f"memory     {_gigabytes(memory.available)} available of {_gigabytes(memory.total)}"
    home = home_folder()
    yield f"disk       {_gigabytes(machine.free_disk(home))} free for {home}"
    yield f"GPU        {_gpu()}"


def _gigabytes(size: float | None) -> str:
    return "unknown" if size is None else f"{size / 1e9:.1f} GB"


def _gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none that torch can use"
    free, total = torch.cuda.mem_get_info()
    bfloat16 = "" if torch.cuda.is_bf16_supported() else ", no bfloat16"
    return (
        f"{torch.cuda.get_device_name()}, {_gigabytes(free)} free of {_gigabytes(total)}"
        f"{bfloat16}; use it with --device cuda or TINKER_LOCAL_DEVICE=cuda"
    )


def _settings() -> Iterator[str]:
    yield "threads    " + ", ".join(
        f"{name}={os.environ.get(name, f'{value} (set by serve)')}"
        for name, value in machine.THREADING.items()
    )
    for warning in machine.warnings():
        yield f"warning    {warning}"
    for name in ("TINKER_BASE_URL", "TINKER_API_KEY"):
        if os.environ.get(name):
            yield f"warning    {name} is set: loops use that service and start no engine"


def _sizes() -> Iterator[str]:
    memory = machine.memory()
    room = memory.total if memory.available is None else memory.available
    if room is None:
        yield "training   unknown: the system does not say how much memory there is"
        return
    for dtype in BYTES:
        limit = largest(room, dtype)
        fitting = ", ".join(f"{size:g} B" for size in SIZES if size * 1e9 <= limit) or "none"
        yield f"training   in {dtype}: up to {limit / 1e9:.1f} B parameters (usual ones: {fitting})"
    yield f"           estimated as {FORMULA}"


def _models() -> Iterator[str]:
    for model in catalog.available():
        sizes = ", ".join(
            f"{training_bytes(model.parameters, dtype) / 1e9:.1f} GB in {dtype}" for dtype in BYTES
        )
        yield f"model      {model.name}: training takes about {sizes}"
