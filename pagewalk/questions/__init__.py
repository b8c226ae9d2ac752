"""The methods of the snapshot, by what they are about. Each imports its view when it is asked: few are, in one run."""
