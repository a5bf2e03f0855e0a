"""Object storage, through libcloud."""
