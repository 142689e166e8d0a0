"""Araneus: an open, self-hosted platform that speaks the CAVATICA / Seven Bridges API v2 and runs its CWL apps."""

__version__ = "0.1.0"
