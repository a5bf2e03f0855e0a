"""The use cases: what people and machines can ask Bascule to do. One file each."""
