"""How she moves: the representation that movement is learned in, what is learned of it, and how it is judged."""
