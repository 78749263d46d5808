"""What the twins must answer: the contract, an oracle written from it, golden vectors made by the oracle.

`openapi.yaml` is the contract's only home; its sentences carry ids such as [B3]. The modules depend on the contract
alone and share no code with the twins: `ledger` (users and their entries), `oracle` (what a read answers), `answers`
(what any request answers), `rules` (what a ledger may hold), `wire` (a client that sends bytes as written),
`golden/` (a small ledger worked out by hand, and the vectors).
"""
