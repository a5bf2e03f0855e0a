"""What only several files together can show: each module checks one matter and lists all that it finds."""
