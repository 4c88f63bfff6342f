"""What a run needs before it has it: memory, FLOPs and device hours, by formula and by compiler."""
