"""What an absent key meant when a file was written, by the package's version."""

ASKED_THE_SERVER = {
    "0.1": frozenset(
        {"confidence", "decoder_xl", "gan_prior", "gradient", "membership", "query_free", "repeated", "representative"}
    )
}
"""Built-in attacks that asked the server, of records without ``needs_server``."""
