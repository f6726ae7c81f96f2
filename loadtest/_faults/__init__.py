"""The fault matrix: every fault at several rates through every buffer of the embedded AWS, and what became of all."""
