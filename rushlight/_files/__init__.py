"""Reading and writing files: atomic writes, the .pt container, and a pickle reader that runs no code."""
