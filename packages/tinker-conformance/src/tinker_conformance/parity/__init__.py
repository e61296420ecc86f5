"""Train the same steps on two servers and compare them."""
