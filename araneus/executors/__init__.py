"""Where attempts run. Knows job directories, processes and containers; never tasks, SQL or CWL."""
