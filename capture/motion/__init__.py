"""Movement as it was captured: skeletons in motion, tracks of joints, and the files that hold them."""
