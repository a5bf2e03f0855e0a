"""One module for each family of senders: its delivery as a Reading. None of them raises anything but Unfit."""
