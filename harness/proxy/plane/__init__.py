"""The data plane: one loop that moves the bytes of all connections and never waits."""
