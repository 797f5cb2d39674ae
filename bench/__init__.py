"""The bench: the models side by side with the C floor, and with what users would pick instead."""
