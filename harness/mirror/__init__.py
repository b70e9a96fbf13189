"""Where Debian packages come from: the machine's own sources, a cache, and probes of both."""
