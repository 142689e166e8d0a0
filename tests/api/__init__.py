"""Tests of the HTTP half, against a real server on a real port."""
