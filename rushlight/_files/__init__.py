"""Reading and writing files: atomic writes, the .pt container, pickles read without code."""
