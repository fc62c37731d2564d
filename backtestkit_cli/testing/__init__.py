"""What checks parts that others write: suites of tests to import, and a plug-in for pytest."""
