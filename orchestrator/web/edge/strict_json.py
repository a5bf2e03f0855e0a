"""What is wrong with a JSON body before anything is made of it.

JSON's own grammar leaves open what two readers may read differently: a name twice (RFC 8259 §4), numbers that are
none, any depth. Here each of them is refused. A body that is no JSON at all is left to whoever reads it.
"""

import json
from typing import Any

MOST_DEPTH = 32
"""Arrays and objects within each other; what the API takes needs five."""


class _Unfit(ValueError):
    pass


def fault_in(body: bytes) -> str:
    """In one sentence; empty when there is none, or when the body is no JSON."""
    try:
        found = json.loads(body, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        return _too_deep()
    except _Unfit as unfit:
        return str(unfit)
    except ValueError as error:
        return "A number in the JSON has too many digits." if "digits" in str(error) else ""
    return _too_deep() if _deeper_than(found, MOST_DEPTH) else ""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Unfit("An object of the JSON has the same name twice.")
    return found


def _no_number(text: str) -> None:
    raise _Unfit(f"{text} is no number in JSON.")


def _finite(text: str) -> float:
    found = float(text)
    if found in (float("inf"), float("-inf")):
        raise _Unfit("A number in the JSON is too large.")
    return found


def _deeper_than(value: Any, most: int) -> bool:
    """Level by level, so that no depth is too much for it."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _too_deep() -> str:
    return f"The JSON has arrays and objects within each other to more than {MOST_DEPTH} levels."
