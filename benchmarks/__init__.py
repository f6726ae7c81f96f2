"""How fast our own parts are, beside what a user would pick instead."""
