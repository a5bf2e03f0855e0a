"""An API of language models that lists the wanted one and, when the step runs, lets it answer with one token.

The API is OpenAI's in the form that Mistral gives it: `GET /models`, `POST /chat/completions`
(https://docs.mistral.ai/api/).
"""

import json

from providers.base import Secret
from providers.probes.api_answer import parsed, require
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.web_answer import Answer
from providers.probes.web_call import bearer, call
from providers.wants import CompletionProbe

WHAT = "The AI API"
REMEDY = "check that the key in `key` is valid and its workspace is paid for"
QUESTION = "Bonjour"


class CompletionCheck(Check[CompletionProbe]):
    """`probe.completion`. Outputs: `model`.

    `observe` only asks for the list, because every completion is paid for; `apply` also asks for one token.
    """

    def _look(self, want: CompletionProbe, attempt: Attempt) -> Seen:
        _require_listed(want, attempt)
        if not attempt.writing:
            return Seen(f"{want.url} lists the model {want.model}.", {"model": want.model})
        tokens = _complete(want, attempt)
        return Seen(f"The model {want.model} at {want.url} answered, for {tokens} tokens.", {"model": want.model})


def _require_listed(want: CompletionProbe, attempt: Attempt) -> None:
    """Raises DoesNotHoldError unless the model is in the list, by its name or by an alias."""
    answer = _ask(want, attempt, "GET", "models")
    listed = answer.json().get("data")
    if not isinstance(listed, list):
        raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected a list of models.")
    models = [one for one in listed if isinstance(one, dict)]
    names = {str(one.get("id")) for one in models} | {str(name) for one in models for name in one.get("aliases") or ()}
    if want.model not in names:
        raise DoesNotHoldError(
            f"{want.url} has no model {want.model} among its {len(models)}; correct `model`, or its rights there."
        )


def _complete(want: CompletionProbe, attempt: Attempt) -> int:
    """The tokens that one completion took. Raises DoesNotHoldError when what comes back is none."""
    body = {"model": want.model, "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 1}
    answer = _ask(want, attempt, "POST", "chat/completions", json.dumps(body).encode())
    found = answer.json()
    choices, usage = found.get("choices"), found.get("usage")
    first = choices[0] if isinstance(choices, list) and choices else None
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    if not isinstance(first, dict) or not isinstance(first.get("message"), dict) or not isinstance(total, int):
        raise DoesNotHoldError(
            f"{answer.at} answered {answer.words}; expected a completion with its choices and usage."
        )
    return total


def _ask(want: CompletionProbe, attempt: Attempt, method: str, path: str, body: bytes = b"") -> Answer:
    headers: dict[str, str | Secret] = {
        "Authorization": bearer(attempt.context, want.key),
        "Accept": "application/json",
        **({"Content-Type": "application/json"} if body else {}),
    }
    url = f"{want.url.rstrip('/')}/{path}"
    answer = require(call(attempt, method, url, headers=headers, body=body), WHAT, 200, remedy=REMEDY)
    if not isinstance(parsed(answer), dict):
        raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected the JSON of an AI API.")
    return answer
