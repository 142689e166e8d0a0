"""Contract suites and honest fakes for the protocols Executor, Storage and Store, for our tests and for plugins."""
