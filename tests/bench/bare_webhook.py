"""What webhooks cost at the least: a FastAPI endpoint that commits one row of what it is sent, and does nothing else.

    python -m tests.bench.bare_webhook DATABASE PORT

One connection in turns, WAL and synchronous FULL, a transaction for each delivery; the web server's settings are
those of Bascule's own.
"""

import sqlite3
import sys
import threading
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Request


async def raw(request: Request) -> bytes:
    return await request.body()


def bare(database: str) -> FastAPI:
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS deliveries (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    turn = threading.Lock()
    app = FastAPI()

    @app.get("/")
    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/webhooks/storm", status_code=202)
    def receive(body: Annotated[bytes, Depends(raw)]) -> dict[str, bool]:
        with turn:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO deliveries (body) VALUES (?)", (body,))
            connection.execute("COMMIT")
        return {"accepted": True}

    return app


def main() -> None:
    database, port = sys.argv[1:]
    uvicorn.run(
        bare(database), host="127.0.0.1", port=int(port), loop="asyncio", http="h11", ws="none",
        access_log=False, log_config=None, timeout_keep_alive=20,
    )  # fmt: skip


if __name__ == "__main__":
    main()
