"""The golden ledger, small and worked out by hand, and the golden vectors that the oracle makes from it.

`ledger.json` is the ledger in readable form, `cases` asks the questions, `vectors` turns them into `vectors.jsonl`;
`python -m clusters.contract.golden --update` writes that file anew.
"""
