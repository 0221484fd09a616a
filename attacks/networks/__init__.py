"""The networks that attacks train: decoders, U-Nets and critics, each a plain module that knows of no attack."""
