"""What users may import, and what importing it does not cost."""

import subprocess
import sys

import tinker_dpo


def test_every_public_name_is_there() -> None:
    assert all(hasattr(tinker_dpo, name) for name in tinker_dpo.__all__)


def test_a_whole_run_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import tinker_dpo, tinker_dpo.cli;"
        " print('transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False", done.stderr
