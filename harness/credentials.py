"""Addresses without what opens them: user, password, and whatever of a query is not known to be harmless."""

import re

HARMLESS = ("host", "port", "sslmode")
"""Keys of a query that may be shown and written down."""

PLACEHOLDER = "user:password@"
"""What advice writes where a user's own belong; it opens nothing, and stays."""

_SECRET = re.compile(r"(?<=[?&])(?:user|password|passfile|sslkey|sslpassword)=[^&]*")
"""What is cut first: its value may hold the ``@`` by which a user's end is found."""


def without_credentials(url: str) -> str:
    """Return a URL that may be written down; a password may hold any character, escaped or not."""
    scheme, colon, address = url.partition("://")
    return scheme + colon + (_bare(address) if colon else "")


def hidden(text: str) -> str:
    """Return text in which every URL is without its credentials; a URL ends at white space."""
    return re.sub(rf"(?<=://)(?!{PLACEHOLDER}host\b)\S+", lambda found: _bare(found[0]), text)


def _bare(address: str) -> str:
    """Return what follows ``://`` without credentials; one that starts with a slash is a path, and has no user."""
    rest = _SECRET.sub("", address)
    if not rest.startswith("/"):
        rest = rest.rpartition("@")[2]
    place, _, query = rest.partition("?")
    kept = "&".join(pair for pair in query.split("&") if pair.partition("=")[0] in HARMLESS)
    return f"{place}?{kept}" if kept else place
