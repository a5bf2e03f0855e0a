"""An account of the scope's `social` block for one call of an effect, with errors as the engine wants them."""

from collections.abc import Iterator
from contextlib import contextmanager

from providers.base import Context, JsonMap, ProviderError, Tag
from providers.dns.deadline import Deadline
from providers.probes.check import Attempt, DoesNotHoldError
from providers.probes.resolver import Names, UnresolvedError
from providers.social.mastodon_api import MastodonApi


@contextmanager
def signed_in(context: Context, account: str, tag: Tag) -> Iterator[MastodonApi]:
    """The account's API. What goes wrong within becomes a ProviderError that says whether an effect is possible."""
    settings = _settings(context, account)
    deadline = Deadline(context.deadline)
    attempt = Attempt(context, tag, deadline, Names(context.scope, deadline), writing=True)
    api = MastodonApi(attempt, str(settings["url"]), str(settings["token"]))
    try:
        yield api
    except (DoesNotHoldError, UnresolvedError) as error:
        raise ProviderError(
            f"{str(error).rstrip('.')}; check `social.{account}`, or try again later.",
            permanent=False,
            effect_possible=api.wrote,
        ) from error
    except ProviderError as error:
        error.effect_possible = error.effect_possible or api.wrote
        raise


def _settings(context: Context, account: str) -> JsonMap:
    settings: JsonMap | None = context.scope.get("social", {}).get(account)
    if not settings or not settings.get("url") or not settings.get("token"):
        raise ProviderError(
            f"The scope has no `social.{account}` with a `url` and a `token`; add it to bascule.yaml.", permanent=True
        )
    return settings
