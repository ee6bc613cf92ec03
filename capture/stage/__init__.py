"""The simulated studio: people with birthmarks and a gait, cameras, lights and boards, all with exact ground truth.

Nothing here is meant to look like a real person; it is meant to obey the same optics as one, so that every later
room can be checked against numbers that are known exactly.
"""
