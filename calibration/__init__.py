"""Where cameras, lights, colours and marks are: boards, lenses, rigs, and the maps made with them."""
