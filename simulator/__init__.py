"""Drives delivery/ with a virtual clock."""
