"""The public names of the package."""

import tinker_data


def test_the_public_names_are_these():
    assert sorted(tinker_data.__all__) == [
        *("Batch", "BatchOrder", "BatchedRows", "Batching", "Conversation", "ConversationFile"),
        *("ConversationMixture", "ConversationSettings", "DataReport"),
        *("HubConversations", "IterableStream", "JsonlRows", "JsonlStream", "Layout"),
        *("MixedStream", "Opening", "ParquetStream", "Place", "Position", "PreferencePair"),
        *("Problem", "RawRow", "Reading", "RenderedByWorkers", "RenderedRow", "Rendering"),
        *("RowStream", "Rows", "SequenceRows", "Source", "StreamedRows", "Subset"),
        *("SupervisedData", "SupervisedDataset", "SupervisedDatasetBuilder", "as_source"),
        *("check_pair", "check_roles", "check_rows", "conversation_to_datum"),
        *("fingerprints", "mix", "no_robots", "normalise_weights", "open_file", "open_hub"),
        *(
            "open_jsonl",
            "read_all",
            "read_conversation",
            "read_pair",
            "read_problem",
            "read_think_tags",
        ),
        *("render_conversation", "render_raw", "split", "tulu3"),
    ]
    assert all(hasattr(tinker_data, name) for name in tinker_data.__all__)
