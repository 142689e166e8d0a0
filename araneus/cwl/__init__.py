"""The CWL language: loading, types, expressions, command lines, outputs. Knows nothing of users, tasks, SQL or HTTP."""
