"""Quantised base models, read as the plain weights that they stand for."""
