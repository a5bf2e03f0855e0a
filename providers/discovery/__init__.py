"""What an organisation can be seen to stand on: its DNS, its mail, its certificates, its pages. Reads only."""
