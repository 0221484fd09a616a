"""What a driver does from lease to report."""
