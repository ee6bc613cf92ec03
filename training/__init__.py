"""What is learned from her photographs, how it is rendered, and the proof that it is her. Never imports Open3D."""
