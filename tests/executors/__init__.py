"""Tests of `araneus.executors`."""
