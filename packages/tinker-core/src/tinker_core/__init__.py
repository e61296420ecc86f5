"""Types that the other packages share: messages, datums, outcomes of parsing, errors."""

from tinker_core.datum import Normalisation, datum_from_model_input_weights, next_token_datum
from tinker_core.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    EngineError,
    PostTrainingError,
    RenderError,
    RunDirectoryError,
    TokenizerError,
)
from tinker_core.fingerprint import Fingerprint, fingerprint_changes
from tinker_core.messages import (
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolSpec,
    UnparsedToolCall,
    strip_reasoning,
)
from tinker_core.openai_format import as_conversation, as_message, as_tools, to_openai
from tinker_core.outcome import CutShort, Malformed, Outcome, Reply
from tinker_core.preference import Comparison, PreferenceModel, RewardModel

__all__ = [
    "CheckpointError",
    "Comparison",
    "ConfigError",
    "CutShort",
    "DataError",
    "EngineError",
    "Fingerprint",
    "ImagePart",
    "Malformed",
    "Message",
    "Normalisation",
    "Outcome",
    "Part",
    "PostTrainingError",
    "PreferenceModel",
    "RenderError",
    "Reply",
    "RewardModel",
    "Role",
    "RunDirectoryError",
    "TextPart",
    "ThinkingPart",
    "TokenizerError",
    "ToolCall",
    "ToolSpec",
    "UnparsedToolCall",
    "as_conversation",
    "as_message",
    "as_tools",
    "datum_from_model_input_weights",
    "fingerprint_changes",
    "next_token_datum",
    "strip_reasoning",
    "to_openai",
]
