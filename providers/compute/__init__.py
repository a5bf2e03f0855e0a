"""Servers, through libcloud."""
