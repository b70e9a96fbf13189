"""Guest images: what goes in, how they are built, and what makes each job's guest its own."""
