"""A folder of tidy tables becomes a front, figures, tables and one HTML page that opens without a network."""
