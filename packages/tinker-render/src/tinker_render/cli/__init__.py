"""The `tinker-render` command line."""

from tinker_render.cli.command_line import main

__all__ = ["main"]
