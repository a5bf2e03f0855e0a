"""Accounts at vendors that may be cut off, read while they still answer."""
