"""The names that a program may import."""

from __future__ import annotations

import subprocess
import sys

import tinker_local
from tinker_local import catalog
from tinker_local.training import losses


def test_the_public_names_are_these():
    assert tinker_local.__all__ == ["EngineStartError", "LocalEngine", "start_engine"]
    assert catalog.__all__ == [
        "AvailableModel", "CatalogError", "available", "resolve", "tokenizer_folder",
    ]  # fmt: skip
    assert losses.__all__ == ["Loss", "LossRegistry", "built_in_losses", "import_loss"]
    for module in (tinker_local, catalog, losses):
        assert all(hasattr(module, name) for name in module.__all__)


def test_importing_the_package_loads_no_server_and_no_torch():
    program = (
        "import sys, tinker_local\n"
        "heavy = {'torch', 'starlette', 'uvicorn', 'transformers', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
