"""Movement as pictures: a stick figure, her body in a studio, and the frames that pose a video base."""
