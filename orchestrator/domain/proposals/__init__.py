"""Proposals: what policy asks people to release when a verdict holds. Pure."""
