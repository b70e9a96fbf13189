"""A flight as a mail, in osstest's spirit, or in Markdown; and the server that takes it."""
