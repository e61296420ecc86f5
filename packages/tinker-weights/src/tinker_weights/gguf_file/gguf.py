"""`gguf`: a model as a GGUF file, for llama.cpp and what is built on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from tinker_core import ConfigError
from tinker_weights.base_model.find import is_model
from tinker_weights.base_model.outline import ModelOutline, outline
from tinker_weights.base_model.tensor_names import TensorNames
from tinker_weights.gguf_file.converter import convert, find_converter
from tinker_weights.gguf_file.header import tensor_names
from tinker_weights.gguf_file.quantiser import CONVERTED, QUANTISED, quantise

_OUTPUT = "output.weight"
"""The unembedding in a GGUF file."""


@frozen(kw_only=True)
class GgufFile:
    """A GGUF file that was written."""

    file: Path
    outtype: str
    size: int
    """In bytes."""


def gguf(
    model: str | Path,
    file: str | Path,
    *,
    outtype: str = "auto",
    converter: str | Path | None = None,
    overwrite: bool = False,
) -> GgufFile:
    """Write a merged model as a GGUF file, with llama.cpp's converter and quantiser.

    Args:
        model: The folder of the model, as `merge` writes it.
        file: Where to.
        outtype: f32, f16, bf16 or q8_0, or a type of the quantiser such as q4_k_m; auto: the
            type of the model.
        converter: A checkout of llama.cpp; its converter is fetched unless given.
        overwrite: Replace the file.
    """
    folder, target, outtype = Path(model).expanduser(), Path(file).expanduser(), outtype.lower()
    if outtype not in (*CONVERTED, *QUANTISED):
        raise ConfigError(
            f"outtype {outtype!r} is not one of {', '.join((*CONVERTED, *QUANTISED))}"
        )
    if not is_model(folder):
        raise ConfigError(f"{folder} is no model's folder: make one with `tinker-weights merge`")
    if target.exists() and not overwrite:
        raise ConfigError(f"{target} exists already: choose another name, or pass --overwrite")
    script = find_converter(converter)
    with _beside(target) as partial:
        convert(folder, partial, outtype if outtype in CONVERTED else "auto", script)
        _check_unembedding(outline(str(folder)), partial)
        if outtype in QUANTISED:
            whole = partial.rename(partial.with_suffix(".whole"))
            quantise(whole, partial, outtype)
            whole.unlink()
        partial.replace(target)
    return GgufFile(file=target, outtype=outtype, size=target.stat().st_size)


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A hidden file in the same folder; what is left of it is removed."""
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield partial
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
        partial.with_suffix(".whole").unlink(missing_ok=True)


def _check_unembedding(model: ModelOutline, file: Path) -> None:
    """Raise ConfigError where llama.cpp would use the embedding in place of a trained unembedding.

    Its converter leaves the unembedding of some architectures out, because their originals tie it.
    """
    if TensorNames(model.shapes).find("lm_head.weight") is None or _OUTPUT in tensor_names(file):
        return
    if model.config.get("tie_word_embeddings") is False:
        raise ConfigError(
            f"llama.cpp knows {model.architecture} with a tied unembedding only, and that of "
            f"{model.folder} is trained: train with train_unembed=False for llama.cpp"
        )
