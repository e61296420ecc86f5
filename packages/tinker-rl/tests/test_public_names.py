"""The public names of the package, and what its import needs."""

import subprocess
import sys

import tinker_rl


def test_nothing_here_needs_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import tinker_rl, tinker_rl.cli.main"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_are_there() -> None:
    assert sorted(tinker_rl.__all__) == sorted(set(tinker_rl.__all__))
    known = "Env EnvGroupBuilder RLDataset RLDatasetBuilder ProblemEnv TokenCompleter"
    for name in [*known.split(), "MessageCompleter", *tinker_rl.__all__]:
        assert hasattr(tinker_rl, name)
