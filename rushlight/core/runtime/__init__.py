"""Room 4: turns pending values into arrays: which part to run, which plan, what it reuses."""
