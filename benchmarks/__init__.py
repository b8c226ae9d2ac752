"""Benchmarks of pagewalk: ``python -m benchmarks``, as root, from the project's folder."""
