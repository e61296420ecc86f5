"""A client needs no torch."""

import subprocess
import sys

CLIENTS = "tinker_core, tinker_render, tinker_data, tinker_train, tinker_sl, tinker_sl.cli"


def test_importing_the_client_packages_imports_no_torch_of_their_own_accord():
    # The SDK imports torch where it is installed, so torch is hidden from the import.
    script = f"import sys; sys.modules['torch'] = None; import {CLIENTS}"
    script += "; assert sys.modules['torch'] is None; assert 'transformers' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
