"""One file per outside format; each reads and writes the one camera model of `calibration.camera`."""
