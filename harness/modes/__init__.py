"""What a guest sees of its machine under each way of virtualisation, and what it should see."""
