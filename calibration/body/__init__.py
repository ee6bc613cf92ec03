"""Her body as a surface: hull, depth, mesh, texture and scans. The only room that may import Open3D."""
