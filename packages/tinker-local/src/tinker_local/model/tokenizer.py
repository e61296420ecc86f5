"""Loading the tokenizer of a model's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def load_tokenizer(folder: Path) -> Any:
    """The Hugging Face tokenizer in the folder, or None when there is none."""
    from transformers import AutoTokenizer  # takes seconds; the API server starts without it

    if not any((folder / file).is_file() for file in ("tokenizer.json", "tokenizer_config.json")):
        return None
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)
