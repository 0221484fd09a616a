"""The commands of the command line; whatever is slow to import is imported inside them."""
