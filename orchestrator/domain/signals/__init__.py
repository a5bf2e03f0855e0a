"""Detection: from many weak observations to few strong verdicts. Pure, and on the time of the observations."""
