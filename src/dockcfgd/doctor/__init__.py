"""The checks of `doctor`: what is wrong with this host, why, and what to do."""
