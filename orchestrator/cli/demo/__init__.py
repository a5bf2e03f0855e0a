"""`bascule demo`: a whole failover against the simulator, from nothing to proof, on this machine."""
