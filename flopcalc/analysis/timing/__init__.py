"""How long a network takes on a device: a bound that nothing beats, and an estimate of what to expect."""
