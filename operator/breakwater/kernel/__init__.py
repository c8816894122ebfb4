"""Pure words of the house: nothing here waits, reads a clock, a file, the network or random numbers."""
