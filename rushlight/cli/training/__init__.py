"""`rushlight train`: configuration, data, the loop, checkpoints, and the report of a run."""
