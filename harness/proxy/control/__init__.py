"""The control interface: Toxiproxy's HTTP contract, in a loop of its own that data can't hold up."""
