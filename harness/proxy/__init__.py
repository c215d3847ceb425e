"""The fault proxy: a server that speaks Toxiproxy's contract, a program of its own."""
