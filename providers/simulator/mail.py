"""SMTP listeners: the old and the new mail provider, and the town hall's crisis mailbox."""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes
from typing import Any

from aiosmtpd.smtp import SMTP

from providers.simulator.effects import EffectLog
from providers.simulator.faults import FaultTable

MAX_MESSAGE = 20 * 1024 * 1024
POLL = 0.02

logging.getLogger("mail.log").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Message:
    """One accepted message."""

    message_id: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str


class Mailbox:
    """The messages one listener took, in order of arrival. Thread-safe."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._lock = threading.Lock()

    def add(self, message: Message) -> None:
        with self._lock:
            self._messages.append(message)

    def listed(self) -> list[Message]:
        with self._lock:
            return list(self._messages)

    def clear(self) -> None:
        with self._lock:
            self._messages.clear()


@dataclass(frozen=True, slots=True)
class MailService:
    """One listener's rules, called by aiosmtpd: `serves` says which addresses it takes mail for."""

    name: str
    serves: Callable[[str], bool]
    mailbox: Mailbox
    effects: EffectLog
    faults: FaultTable

    async def handle_EHLO(  # noqa: N802  # called by this name
        self, server: Any, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        refusal = await self._fault(server, "EHLO")
        return [refusal] if refusal else responses

    async def handle_RCPT(  # noqa: N802  # called by this name
        self, server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        refusal = await self._fault(server, "RCPT")
        if refusal:
            return refusal
        if not self.serves(address.lower()):
            return "550 5.7.1 This server does not serve that address"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Recipient OK"

    async def handle_DATA(  # noqa: N802  # called by this name
        self, server: Any, _session: Any, envelope: Any
    ) -> str:
        refusal = await self._fault(server, "DATA", before=True)
        if refusal:
            return refusal
        parsed = message_from_bytes(envelope.content)
        message_id = str(parsed.get("Message-ID", "")).strip()
        text = envelope.content.decode("utf-8", "replace")
        recipients = tuple(sorted(envelope.rcpt_tos))
        self.mailbox.add(Message(message_id, envelope.mail_from, recipients, str(parsed.get("Subject", "")), text))
        self.effects.add(self.name, "message.accept", ", ".join(recipients), message_id)
        if self.faults.take(self.name, "DATA", "lose_answer"):
            server.transport.abort()
        return "250 2.0.0 Message accepted for delivery"

    async def _fault(self, server: Any, route: str, *, before: bool = False) -> str | None:
        """The refusal that a fault wants, after its delay; a lost answer to DATA comes after the work."""
        kinds = ("drop", "status", "delay", "hang", "refuse", "tempfail") if before else ()
        fault = self.faults.take(self.name, route, *kinds)
        if fault is None:
            return None
        match fault.kind:
            case "delay" | "hang":
                await self._sleep(fault.seconds if fault.seconds is not None else 600)
            case "refuse":
                return "550 5.7.1 Refused by a simulated fault"
            case "tempfail" | "status":
                return "451 4.3.0 Try again later, says a simulated fault"
            case "drop" | "lose_answer":
                server.transport.abort()
        return None

    async def _sleep(self, seconds: float) -> None:
        for _ in range(int(seconds / POLL)):
            if self.faults.stopping.is_set():
                return
            await asyncio.sleep(POLL)


class MailListeners:
    """Several services, each on its address, in one event loop and thread until `stop`."""

    def __init__(self, services: list[tuple[MailService, str, int]]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="smtp", daemon=True)
        self._thread.start()
        self._servers = [
            asyncio.run_coroutine_threadsafe(self._listen(*service), self._loop).result(5) for service in services
        ]

    async def _listen(self, service: MailService, host: str, port: int) -> asyncio.Server:
        def session() -> asyncio.Protocol:
            protocol: asyncio.Protocol = SMTP(
                service,
                hostname=f"{service.name}.test",
                ident="ESMTP simulator",
                data_size_limit=MAX_MESSAGE,
                enable_SMTPUTF8=True,
                loop=self._loop,
            )
            return protocol

        return await self._loop.create_server(session, host, port)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
