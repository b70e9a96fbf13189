"""Running commands: on this machine, and on a host over SSH."""
