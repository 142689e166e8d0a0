"""Tests of `araneus.storage`."""
