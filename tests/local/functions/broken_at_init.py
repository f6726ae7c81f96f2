print("on the way to its end")
raise ValueError("this module cannot be imported")
