"""A study's directory, the truth: its files and attempts, whole writes, and the lease of the one driver that writes."""
