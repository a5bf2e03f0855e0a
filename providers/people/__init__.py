"""What is told to people when their addresses change: notices, signed, on several channels."""
