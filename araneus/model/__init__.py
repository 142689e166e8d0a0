"""Nouns and rules: standard library only, no I/O, no clock. Every other package may import this one."""
