"""People, what they may do, and how it is known that they are who they say."""
