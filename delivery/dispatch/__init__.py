"""Handing over: finding what is due, claiming it, giving it to a gateway, and recording the outcome."""
