"""Time between the cameras of one clip, from the most trusted thing that tells it."""
