"""The model under evaluation: a sampling client and its renderer, and opening one by name."""
