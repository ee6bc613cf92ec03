"""Boards beyond OpenCV's own: grids of AprilTags, and every board as a sheet to print in true size."""
