"""Compiled twins of two machines of delivery/, for simulations of many messages.

The machines say what AWS does, and are what the embedded AWS runs. A twin plays the same on the virtual clock without
the interpreter, which takes some 80 calls of functions for an invocation: it knows the plain cases, gives up where
something happens that it does not know, so that the machine plays it after all, and else answers to the last byte as
the machine does. tests/simulator/test_compiled.py holds it to that.
"""
