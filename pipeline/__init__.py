"""The nouns every room shares: requests, results, recognition, the results table, the stack, the command line."""
