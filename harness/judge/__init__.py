"""The judging half: pure functions from a run's record to findings, and the verdict that composes them."""
