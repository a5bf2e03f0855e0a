"""People are warned of what runs out: each clock at each level once, on the channels that policy names."""

import logging
from collections.abc import Callable, Mapping

from orchestrator.domain.signals.clock import running_clocks
from orchestrator.domain.signals.clock_board import due_warnings
from orchestrator.operations.estate import Estates
from orchestrator.operations.request import RequestError
from orchestrator.store import notices
from orchestrator.store.database import Database

log = logging.getLogger("bascule.warnings")

_TITLE: Mapping[str, str] = {"fr": "Ce qui expire bientôt", "en": "What runs out soon"}
LOOK_EVERY = 60.0
"""Seconds between two looks at the clocks."""


class Warnings:
    def __init__(self, database: Database, estates: Estates) -> None:
        self._database = database
        self._estates = estates
        self._looked = float("-inf")

    def consider(self, onsets: Callable[[], Mapping[str, float]], now: float) -> None:
        """Queue what is due. `onsets`: of each vendor that erodes or is cut, since when. A fault is logged."""
        if abs(now - self._looked) < LOOK_EVERY:
            return
        self._looked = now
        try:
            self._warn(onsets(), now)
        except Exception:
            log.exception("the clocks could not be looked at once; the next look comes by itself")

    def _warn(self, onsets: Mapping[str, float], now: float) -> None:
        if not onsets:
            return
        try:
            commit = self._estates.newest()
            bundle = self._estates.bundle(commit)
        except RequestError:
            return
        policy = bundle.estate.policy.warnings
        if policy is None:
            return
        clocks = running_clocks(onsets, bundle.estate.services, bundle.catalogue)
        with self._database.read() as conn:
            told = {row.key.split(":", 2)[1] for row in notices.listed(conn, "clock:")}
        for one in due_warnings(clocks, now, told):
            with self._database.write() as conn:
                notices.add(conn, f"clock:{one.key}", commit, policy.scope, policy.notify, _TITLE, one.words, now)
