"""`rft plan`: memory, FLOPs and device hours for hardware you don't have."""
