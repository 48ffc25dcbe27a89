"""Sign-in: bearer tokens, the keys that check them, and the rights that they give."""
