"""Record sets of a zone: what is published, compared and swapped."""
