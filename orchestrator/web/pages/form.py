"""What a page's form sends. The gate has looked at its size, kind and origin."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from orchestrator.operations.request import RequestError
from orchestrator.web.api.orders import no_controls

Fields = dict[str, str]


async def form_fields(request: Request) -> Fields:
    """A form's fields, each once. Raises RequestError."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        fields = dict(parse_qsl(body, keep_blank_values=True, max_num_fields=50))
    except ValueError as error:
        raise RequestError("The form has more fields than any of ours: open the page again.") from error
    return {name: _text(value) for name, value in fields.items()}


Form = Annotated[Fields, Depends(form_fields)]
"""For forms with a field that may be there several times: `form_values`."""


async def form_values(request: Request) -> list[tuple[str, str]]:
    """A form's fields in their order, as often as they are there. Raises RequestError."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        pairs = parse_qsl(body, keep_blank_values=True, max_num_fields=2000)
    except ValueError as error:
        raise RequestError("The form has more fields than any of ours: open the page again.") from error
    return [(name, _text(value)) for name, value in pairs]


def _text(value: str) -> str:
    """Browsers end lines as HTTP does; what the API refuses in a text is refused here as well. Raises RequestError."""
    try:
        return no_controls(value.replace("\r\n", "\n"))
    except ValueError as error:
        raise RequestError("The form holds signs that are no text: type it again.") from error


Values = Annotated[list[tuple[str, str]], Depends(form_values)]
