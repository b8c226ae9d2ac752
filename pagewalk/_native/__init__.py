"""Compiled modules, one for each native noun; their sources are in src_ext/."""
