"""Benchmarks: each prints its figures beside a floor or a peer of the same run. `docs/performance.md` keeps them."""
