// Package wallet is the domain of a live platform's wallet: a ledger of coins and diamonds in flat
// columns, the fold that turns one user's entries into a balance, statistics over a time window,
// pages of the ledger, and the rules of a write.
//
// The package does no I/O and reads no clock of its own. Adapters stand beside it and do not import
// one another: datadir reads the columns from files, memory keeps what is written, httpapi answers
// requests, cmd/wallet wires them.
//
// Every answer is computed from the entries at each request. Only buffers are kept between
// requests, never an answer or a part of a fold.
package wallet
