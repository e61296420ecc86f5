"""Settings of all tests."""

import importlib.util

if importlib.util.find_spec("hypothesis"):  # few packages need it
    from hypothesis import settings

    settings.register_profile("no deadline", deadline=None)  # no test asserts a time
    settings.load_profile("no deadline")
