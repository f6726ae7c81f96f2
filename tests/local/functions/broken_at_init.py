import sys

sys.stdout.write("on the way to its end\n")
raise ValueError("this module cannot be imported")
