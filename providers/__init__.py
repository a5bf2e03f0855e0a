"""What Bascule does to the outside world: clouds, DNS, storage, hosts, mail. Imports nothing of orchestrator."""
