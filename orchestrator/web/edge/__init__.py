"""What stands between the network and the handlers: who asks, what they may, and in which form."""
