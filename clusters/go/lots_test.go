package wallet

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTheHeapGivesLotsByExpiryAndThenId(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 6))
		var heap lotHeap
		var keys []lotKey
		for i := range rng.Uint32N(300) {
			k := newLotKey(rng.Int64N(20)-10, i, rng.Uint32())
			keys = append(keys, k)
			heap.push(k)
		}
		slices.SortFunc(keys, func(a, b lotKey) int {
			return cmp.Or(cmp.Compare(a.expiresAtMs(), b.expiresAtMs()), cmp.Compare(a.number(), b.number()))
		})
		for i, want := range keys {
			if heap[0] != want {
				t.Fatalf("seed %d: lot %d of %d is %v; want %v", seed, i, len(keys), heap[0], want)
			}
			heap.pop()
		}
	}
}

func TestATallyKeepsItsTotalsWhileItGrows(t *testing.T) {
	var y tally
	for round := range 2 {
		y.start(500 + 2500*round)
		for pass := range uint64(3) {
			for key := range uint32(3000) {
				total := y.of(key * 5)
				total.count++
				total.sent += pass
			}
		}
		for key := range uint32(3000) {
			if got := y.of(key * 5); got.count != 3 || got.sent != 3 {
				t.Fatalf("round %d: total of %d is %+v; want count 3, sent 3", round, key*5, *got)
			}
		}
		if len(y.totals) != 3000 {
			t.Fatalf("round %d: %d totals; want 3000", round, len(y.totals))
		}
	}
}
