"""What an event is: its row, the rows beside it, and which source's word counts. Pure."""
