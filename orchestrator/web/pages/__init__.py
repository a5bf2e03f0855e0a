"""The pages: what people look at."""
