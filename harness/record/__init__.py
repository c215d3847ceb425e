"""The run folder: what is in it (`schema`), how it is written while a run lives, how it is read when it is judged."""
