"""Findings -> HTML, Markdown, JSON, JUnit. Computes nothing but how things look."""
