"""Expected numbers, computed with numpy alone."""
