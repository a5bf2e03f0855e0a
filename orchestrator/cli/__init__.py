"""The command line: the `bascule` command."""

from orchestrator.loading import loading

with loading():
    from orchestrator.cli.root import main

__all__ = ["main"]
