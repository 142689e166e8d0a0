"""Tests of Araneus: they run the real thing."""
