"""Answers an architect's question: which buffer, with which settings, for this spike."""
