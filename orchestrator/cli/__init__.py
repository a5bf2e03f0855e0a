"""The command line: the `bascule` command."""

from orchestrator.cli.root import main

__all__ = ["main"]
