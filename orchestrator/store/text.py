"""What databases take: text from outside may hold what none of them stores."""

from typing import Any


def storable(value: Any) -> Any:
    """The value with NUL and halves of surrogate pairs replaced, in every text of it; the rest as it is."""
    match value:
        case str():
            return value if value.isprintable() else value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
        case dict():
            return {storable(key): storable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [storable(inner) for inner in value]
        case _:
            return value
