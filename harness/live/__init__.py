"""The live half: starts, sends, breaks and writes facts into the run folder. It never judges."""
