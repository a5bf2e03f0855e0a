"""A crowd at one door waits outside, and nobody else does."""

import asyncio
from typing import Any

from orchestrator.web.edge.bodies import MAX_AT_DOORS, Share, Shares
from orchestrator.web.edge.turnstile import AT_ONCE, Turnstile


def test_nine_of_a_kind_are_one_too_many_and_other_kinds_are_not_counted() -> None:
    asyncio.run(_crowd())


async def _crowd() -> None:
    go_on, inside = asyncio.Event(), asyncio.Semaphore(0)

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        inside.release()
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    door = Turnstile(slow)

    async def ask(method: str, path: str) -> int:
        told: list[Any] = []

        async def send(message: Any) -> None:
            told.append(message)

        scope = {"type": "http", "method": method, "path": path, "headers": []}
        await door(scope, None, send)  # type: ignore[arg-type]
        return int(told[0]["status"])

    crowd = [asyncio.create_task(ask("POST", "/sign-in")) for _ in range(AT_ONCE)]
    for _ in crowd:
        await asyncio.wait_for(inside.acquire(), 5)
    assert await asyncio.wait_for(ask("POST", "/api/v1/sessions"), 5) == 503
    others = [("POST", "/sign-in/key"), ("POST", "/sign-in/codes"), ("GET", "/oidc/start"), ("GET", "/sign-in")]
    free = [asyncio.create_task(ask(*one)) for one in others]
    for _ in free:
        await asyncio.wait_for(inside.acquire(), 5)
    go_on.set()
    assert await asyncio.gather(*crowd, *free) == [200] * (AT_ONCE + len(others))
    assert await asyncio.wait_for(ask("POST", "/welcome"), 5) == 200


def test_a_share_is_given_back_and_is_nobody_elses() -> None:
    shares = Shares()
    while shares.doors.takes(MAX_AT_DOORS):
        pass
    assert shares.known.takes(1)
    assert shares.deliveries.takes(1)
    small = Share(10, 10)
    assert (small.takes(10), small.takes(1)) == (True, False)
    small.let_go(10)
    assert small.takes(1)
