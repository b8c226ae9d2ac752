"""The rules of DESIGN section 5, as functions from sources to findings: a list of sentences, empty when all is well."""
