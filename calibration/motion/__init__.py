"""Her movement: keypoints of every camera, through the calibrated rig, to a skeleton in motion."""
