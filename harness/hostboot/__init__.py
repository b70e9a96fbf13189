"""How a host boots: by which entry of GRUB, what it says of that, and what it is when it is up."""
