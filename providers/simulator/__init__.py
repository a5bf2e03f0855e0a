"""A small Europe on loopback: the vendors and targets that rehearsals run against.

One process, started as root, owns the addresses 127.77.N.0/24 and 198.18.N.0/24.
Our real drivers talk to it over real HTTP, DNS, SMTP and SSH; a server created
at its Scaleway stand-in is a host of its own. It shares no code with what it
stands in for.
"""
