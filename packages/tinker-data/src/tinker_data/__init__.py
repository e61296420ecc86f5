"""Rows to conversations, to datums, to batches that can be resumed at any position."""

from tinker_data.batches.batch import Batch, Batching, Position, SupervisedDataset
from tinker_data.batches.indexed import BatchedRows
from tinker_data.batches.order import BatchOrder
from tinker_data.batches.streamed import StreamedRows
from tinker_data.batches.workers import RenderedByWorkers
from tinker_data.builders import (
    ConversationFile,
    ConversationMixture,
    HubConversations,
    no_robots,
    tulu3,
)
from tinker_data.check import DataReport, check_rows
from tinker_data.datums import (
    RenderedRow,
    Rendering,
    conversation_to_datum,
    normalise_weights,
    render_conversation,
)
from tinker_data.layouts.conversation import Layout, read_conversation
from tinker_data.layouts.preference import PreferencePair, check_pair, check_roles, read_pair
from tinker_data.layouts.problem import Problem, read_problem
from tinker_data.layouts.think_tags import read_think_tags
from tinker_data.rows import Conversation, Place, RawRow, Rows, Subset
from tinker_data.sources.fingerprint import fingerprints
from tinker_data.sources.jsonl import JsonlRows, open_jsonl
from tinker_data.sources.mixture import MixedStream, mix
from tinker_data.sources.open import SequenceRows, Source, as_source, open_file, open_hub, read_all
from tinker_data.sources.streams import IterableStream, JsonlStream, ParquetStream, RowStream
from tinker_data.supervised import (
    ConversationSettings,
    Opening,
    Reading,
    SupervisedData,
    SupervisedDatasetBuilder,
    render_raw,
    split,
)

__all__ = [
    "Batch",
    "BatchOrder",
    "BatchedRows",
    "Batching",
    "Conversation",
    "ConversationFile",
    "ConversationMixture",
    "ConversationSettings",
    "DataReport",
    "HubConversations",
    "IterableStream",
    "JsonlRows",
    "JsonlStream",
    "Layout",
    "MixedStream",
    "Opening",
    "ParquetStream",
    "Place",
    "Position",
    "PreferencePair",
    "Problem",
    "RawRow",
    "Reading",
    "RenderedByWorkers",
    "RenderedRow",
    "Rendering",
    "RowStream",
    "Rows",
    "SequenceRows",
    "Source",
    "StreamedRows",
    "Subset",
    "SupervisedData",
    "SupervisedDataset",
    "SupervisedDatasetBuilder",
    "as_source",
    "check_pair",
    "check_roles",
    "check_rows",
    "conversation_to_datum",
    "fingerprints",
    "mix",
    "no_robots",
    "normalise_weights",
    "open_file",
    "open_hub",
    "open_jsonl",
    "read_all",
    "read_conversation",
    "read_pair",
    "read_problem",
    "read_think_tags",
    "render_conversation",
    "render_raw",
    "split",
    "tulu3",
]
