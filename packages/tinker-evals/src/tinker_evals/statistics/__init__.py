"""Standard errors, confidence intervals, pass@k and paired comparison."""
