"""One job of a flight as a bundle that somebody else can run: ``xenflight repro``."""
