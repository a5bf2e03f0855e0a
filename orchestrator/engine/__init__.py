"""How a run goes on: one attempt at a time, carried by a durable queue."""
