"""Clients of the platform, unmodified, against live servers: sevenbridges-python, commands, curl, Node."""
