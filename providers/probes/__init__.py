"""Checks that change nothing: something answers as it should, or what was seen instead."""
