"""What every program needs: its output, its signals, its sockets, its share of the machine.
It imports none of the programs.
"""
