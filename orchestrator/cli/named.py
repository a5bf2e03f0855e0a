"""What commands are told by name: runs, steps, services, scopes; each completed by what the service knows."""

from typing import Annotated

import typer

from orchestrator.cli import completion

RunId = Annotated[
    str,
    typer.Argument(metavar="RUN", help="The run's id, as `bascule status` shows it.", autocompletion=completion.runs),
]
OptionalRun = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="One run; without it, all of them.", autocompletion=completion.runs),
]
StepId = Annotated[
    str,
    typer.Argument(metavar="STEP", help="The step's id, such as portal-failover/go.", autocompletion=completion.steps),
]
StepOption = Annotated[
    str | None,
    typer.Option("--step", metavar="STEP", help="Only this step's lines.", autocompletion=completion.steps),
]
ProposalId = Annotated[
    str,
    typer.Argument(
        metavar="PROPOSAL", help="The proposal's id, as the list shows it.", autocompletion=completion.proposals
    ),
]
ApprovalId = Annotated[
    str,
    typer.Argument(metavar="APPROVAL", help="Its id, as the list shows it.", autocompletion=completion.standing),
]
Vendor = Annotated[
    str,
    typer.Argument(help="The vendor, as `bascule signals verdicts` names it.", autocompletion=completion.vendors),
]
