// The service has no dependency outside the standard library: answers are appended by hand
// (encbench/ measures the alternatives), and three metrics do not need a client library.
module twinload/wallet

go 1.24
