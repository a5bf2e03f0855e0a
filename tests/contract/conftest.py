"""Shared by every provider's contract tests."""

import pytest

pytest.register_assert_rewrite("tests.contract.suite")
