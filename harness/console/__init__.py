"""The serial console of a guest: recorder, boot phases, login, shell. The only pexpect."""
