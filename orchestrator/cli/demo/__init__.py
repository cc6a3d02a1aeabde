"""``vmss lab demo``: the whole story on real guests, told with the commands that a reader can repeat."""
