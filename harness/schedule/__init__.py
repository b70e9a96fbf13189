"""How long jobs take, in what order and where they run: pure, but for what reads history."""
