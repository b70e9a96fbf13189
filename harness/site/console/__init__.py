"""A recorded console, line by line, with its times and colours."""
