"""Reads just enough of a protocol to name a connection; keeps no payload."""
