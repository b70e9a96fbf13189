"""What the harness must know of each distribution: data, one module for each family."""
