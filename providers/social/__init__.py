"""What the organisation says on social networks: announcements, and the links of its profiles."""
