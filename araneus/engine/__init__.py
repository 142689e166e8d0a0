"""Running one task without running anything: which jobs are ready, given how the earlier ones ended. No I/O."""
