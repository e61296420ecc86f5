"""From a Tinker checkpoint to a model that can be served: download, merge, export, publish."""

from tinker_weights.download.download import Downloaded, download
from tinker_weights.export.export_adapter import ExportedAdapter, export_adapter
from tinker_weights.gguf_file.gguf import GgufFile, gguf
from tinker_weights.inventory.delete import delete, ttl
from tinker_weights.inventory.info import CheckpointInfo, info
from tinker_weights.inventory.list import ListedCheckpoint, Listing, list
from tinker_weights.merge.merge import MergedModel, merge
from tinker_weights.publish.card import card
from tinker_weights.publish.publish import Published, publish

__all__ = [
    "CheckpointInfo",
    "Downloaded",
    "ExportedAdapter",
    "GgufFile",
    "ListedCheckpoint",
    "Listing",
    "MergedModel",
    "Published",
    "card",
    "delete",
    "download",
    "export_adapter",
    "gguf",
    "info",
    "list",
    "merge",
    "publish",
    "ttl",
]
