"""Whether a rig is still what it was when it was calibrated, told from footage without a board."""
