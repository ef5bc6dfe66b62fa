"""How models are made and exported."""
