"""What several test modules build: files, ledgers, stores and pages; one module a purpose."""
