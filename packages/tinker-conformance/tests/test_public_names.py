"""The names that a program may import."""

import tinker_conformance


def test_the_public_names_are_these() -> None:
    assert tinker_conformance.__all__ == ["Target", "all_checks", "run_checks"]
    assert all(hasattr(tinker_conformance, name) for name in tinker_conformance.__all__)
