"""Black-box checks that any Tinker API server computes what the API promises."""
