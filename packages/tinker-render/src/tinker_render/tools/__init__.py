"""Tool calls and tool declarations as text, in the notations of the model families."""
