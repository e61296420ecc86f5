"""Chat formats, one module per model family."""
