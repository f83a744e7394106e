"""`rushlight detect-train`: options, network, data, the loop, and a run's report."""
