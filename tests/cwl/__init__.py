"""Tests of the language: loading, types, expressions, command lines, outputs."""
