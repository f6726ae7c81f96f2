"""The embedded AWS: serves infra.yaml on this machine, and drives delivery/ with the real clock."""
