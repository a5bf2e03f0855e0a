"""Meetings in calendars: their links, when the service that they lead to is gone."""
