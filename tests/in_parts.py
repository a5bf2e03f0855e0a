"""`--part 2/3`: one of several parts of the tests, the same tests in each every time; all parts together are all tests.

What takes too long for every push is run in turn, a part a day.
"""

import zlib

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--part", type=_part, default=(1, 1), metavar="N/M", help="run only part N of M")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    number, of = config.getoption("--part")
    if of == 1:
        return
    kept = [item for item in items if zlib.crc32(item.nodeid.encode()) % of == number - 1]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def _part(text: str) -> tuple[int, int]:
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise pytest.UsageError(f"--part is {text!r}; write it such as 2/3.")
    return int(number), int(of)
