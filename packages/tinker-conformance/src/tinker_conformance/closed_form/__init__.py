"""What the numbers must be, computed with numpy alone."""
