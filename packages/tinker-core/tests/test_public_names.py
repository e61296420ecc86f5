"""What users may import, pinned, and what importing them does not cost."""

import subprocess
import sys

import tinker_core


def test_the_public_names_are_these() -> None:
    assert sorted(tinker_core.__all__) == [
        *("CheckpointError", "Comparison", "ConfigError", "CutShort", "DataError", "EngineError"),
        *("Fingerprint", "ImagePart", "Malformed", "Message", "Normalisation", "Outcome", "Part"),
        *("PostTrainingError", "PreferenceModel", "RenderError", "Reply", "RewardModel", "Role"),
        *("RunDirectoryError", "TextPart", "ThinkingPart", "TokenizerError", "ToolCall"),
        *("ToolSpec", "UnparsedToolCall", "as_conversation", "as_message", "as_tools"),
        *("datum_from_model_input_weights", "fingerprint_changes", "next_token_datum"),
        *("strip_reasoning", "to_openai"),
    ]
    assert all(hasattr(tinker_core, name) for name in tinker_core.__all__)


def test_importing_core_does_not_import_transformers() -> None:
    code = "import sys, tinker_core, tinker_core.testing; print('transformers' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
