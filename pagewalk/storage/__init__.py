"""The snapshot file: facts as arrays in a zip archive that numpy.load opens too."""
