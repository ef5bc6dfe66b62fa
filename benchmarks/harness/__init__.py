"""What the benchmarks share, in a folder of its own: `make bench` runs every file beside it."""
