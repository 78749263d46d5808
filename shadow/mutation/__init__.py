"""The comparer's proof: faults put into the candidate's answers, each of which must be seen and called by its name.

faults (pure: an answer -> the same answer with one fault, and the sign that it must give) -> proxy (a real HTTP
proxy before the candidate, which faults the targets that it was told) -> score (what was seen, missed, misnamed)
"""
