"""`python -m orchestrator.cli` is the `bascule` command, wherever it is installed."""

from orchestrator.cli import main

main()
