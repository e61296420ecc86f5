"""The names that a program may import."""

import tinker_weights


def test_the_public_names_are_these() -> None:
    assert tinker_weights.__all__ == [
        *("CheckpointInfo", "Downloaded", "ExportedAdapter", "GgufFile", "ListedCheckpoint"),
        *("Listing", "MergedModel", "Published", "card", "delete", "download", "export_adapter"),
        *("gguf", "info", "list", "merge", "publish", "ttl"),
    ]
    assert all(hasattr(tinker_weights, name) for name in tinker_weights.__all__)
