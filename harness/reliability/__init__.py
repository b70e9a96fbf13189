"""Does it keep its word when it is killed? Experiments on a real host, many times over."""
