"""The audit: hash chains of what happened, and the checkpoints that witnesses keep of them."""
