"""What an import costs, and what it offers."""

import subprocess
import sys

import tinker_render


def test_import_leaves_transformers_alone():
    code = "import tinker_render, sys; print('transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_our_own_code_does_not_import_torch():
    # The SDK imports torch where it is installed, so torch is made impossible to import.
    code = "import sys; sys.modules['torch'] = None; import tinker_render"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_public_names_are_these():
    assert sorted(tinker_render.__all__) == [
        *("DEFAULT_TRAIN_ON_WHAT", "Delta", "Family", "Format", "LINEUP", "NoBridge"),
        *("PlacedImage", "Rendered", "Renderer", "ReplyStream", "TextDelta", "ThinkingDelta"),
        *("ToolCallDelta", "TrainOnWhat", "find_family", "get_image_processor"),
        *("get_recommended_renderer_name", "get_renderer", "get_tokenizer", "register_renderer"),
        *("renderer_for", "renderer_name_for", "renderer_names", "unregister_renderer"),
    ]
