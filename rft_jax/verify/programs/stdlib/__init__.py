"""What programs find ready-made: functions, methods and modules, each from a table."""
