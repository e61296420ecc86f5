"""Comparison of runs, the HTML report and the terminal's tables."""
