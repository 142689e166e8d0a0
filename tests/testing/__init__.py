"""Tests of `araneus.testing`."""
