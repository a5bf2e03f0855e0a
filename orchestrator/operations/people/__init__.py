"""Who people are, what they may do, and how they prove it. Nothing outside is needed for it."""
