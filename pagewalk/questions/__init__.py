"""The questions that a snapshot answers, by what they are about: each is a call of one view, imported when asked."""
