"""What the backend promises, each asked of a running one: `promise(world, defects)` says what is broken, or nothing."""
