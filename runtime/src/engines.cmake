# What runs the network. Each engine loads its own library when a context opens.
