"""The ledger as the folder of tables that `reports` reads."""
