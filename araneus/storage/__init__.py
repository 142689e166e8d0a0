"""Bytes, kept once by content. Knows locations; never projects or names."""
