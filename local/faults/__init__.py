"""Faults on purpose, at the edges where AWS's own would show: wire answers, signals to processes, lost answers.

Only an embedded AWS that is started with `--faults` can be told of any (PUT /faults at its control URL); in any other
none of this is in the way. Nothing of ours behind an edge knows that a fault was not AWS's.
"""
