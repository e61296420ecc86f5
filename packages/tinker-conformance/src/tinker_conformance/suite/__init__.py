"""The tests that `pytest --pyargs tinker_conformance.suite` collects."""
