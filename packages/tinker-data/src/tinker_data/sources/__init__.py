"""Sources of rows: files, datasets, anything in memory, and mixtures of them."""
