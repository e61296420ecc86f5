"""Model cards, and the way to the Hugging Face hub."""
