"""Tables to text streams, one small module an output format.

Each format is a module with ``render(screen, style, out)``. None knows where a table comes from.
"""
