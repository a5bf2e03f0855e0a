"""The HTTP API, the live events and the page. Works through the use cases; reads rows, never writes them."""
