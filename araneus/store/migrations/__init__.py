"""The steps by which the tables came to be. `REVISIONS` names them in order; a released step never changes."""

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011")
