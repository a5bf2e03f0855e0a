"""Refusals of the S3 stand-in."""


class StoreError(Exception):
    """A refusal with S3's error code and HTTP status; `headers` go with the answer."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
