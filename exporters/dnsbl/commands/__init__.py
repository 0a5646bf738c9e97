"""What an operator types beside `serve`."""
