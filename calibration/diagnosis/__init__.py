"""Why a rig is wrong: each known mistake at a shoot leaves its own trace in the corners, and is named by it."""
