"""Proof that the harness detects: planted defects, each tried in a scenario, against what must catch it."""
