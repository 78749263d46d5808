package wallettest

import (
	"math/rand/v2"

	"twinload/wallet"
)

// StartMs is the time of the first entry of a random ledger: 2025-01-01T00:00:00Z.
const StartMs = int64(1_735_689_600_000)

// Habits are how often a user does what, as weights by kind, and how long passes between entries.
type Habits struct {
	Weights [wallet.KindCount]int
	MeanMs  int64 // mean time between entries
	Parties int   // number of other users, from index 0
}

// Mixed is a user who buys, sends, receives, withdraws and holds; Host is one who mostly receives.
// Both spread n entries over half a year.
func Mixed(n int) Habits {
	return Habits{
		Weights: weights(8, 45, 20, 3, 8, 5, 3, 3),
		MeanMs:  180 * wallet.DayMs / int64(n), Parties: 2000,
	}
}

// Host is described at Mixed.
func Host(n int) Habits {
	return Habits{
		Weights: weights(1, 3, 92, 2, 0, 0, 0, 1),
		MeanMs:  180 * wallet.DayMs / int64(n), Parties: 2000,
	}
}

func weights(recharge, sent, received, withdrawal, hold, capture, release, bonus int) [wallet.KindCount]int {
	return [wallet.KindCount]int{0, recharge, sent, received, withdrawal, hold, capture, release, bonus}
}

// giftPrices are what gifts cost: a few dear ones among many cheap ones.
var giftPrices = [...]uint32{1, 1, 2, 5, 5, 9, 10, 20, 30, 52, 66, 99, 100, 199, 299, 520, 999, 1314, 2999, 9999}

// Rows returns n entries of one user that obey the ledger's rules. The same seed gives the same rows.
func Rows(seed uint64, n int, habits Habits) wallet.Rows {
	rng := rand.New(rand.NewPCG(seed, 1))
	var rows wallet.Rows
	var naive Naive
	total := 0
	for _, w := range habits.Weights {
		total += w
	}
	e := wallet.Entry{TimeMs: StartMs}
	for rows.Len() < n {
		e.Seq += 1 + rng.Uint32N(50)
		e.TimeMs += rng.Int64N(2*habits.MeanMs + 1)
		kind := draw(rng, habits.Weights, total)
		next, ok := entry(rng, &naive, e, kind, habits.Parties)
		if !ok {
			next, _ = entry(rng, &naive, e, wallet.Recharge, habits.Parties)
		}
		naive.Apply(next)
		rows.Append(next)
	}
	return rows
}

func draw(rng *rand.Rand, weights [wallet.KindCount]int, total int) wallet.Kind {
	at := rng.IntN(total)
	for kind, w := range weights {
		if at < w {
			return wallet.Kind(kind)
		}
		at -= w
	}
	return wallet.Recharge
}

// entry fills e as an entry of the kind, or reports that the wallet does not allow one now.
func entry(rng *rand.Rand, naive *Naive, e wallet.Entry, kind wallet.Kind, parties int) (wallet.Entry, bool) {
	e.Kind, e.Party = kind, wallet.NoParty
	coins, diamonds := naive.Usable(e.TimeMs)
	gift := rng.IntN(200)
	price := giftPrices[gift%len(giftPrices)] * (1 + rng.Uint32N(10))
	switch kind {
	case wallet.Recharge, wallet.Bonus:
		e.Amount, e.Ref = 100+rng.Uint32N(20_000), 24*(1+rng.Uint32N(60))
		return e, true
	case wallet.GiftReceived:
		e.Amount, e.Ref, e.Party = price, uint32(gift+1), party(rng, parties)
		return e, true
	case wallet.GiftSent:
		e.Amount, e.Ref, e.Party = price, uint32(gift+1), party(rng, parties)
		return e, uint64(price) <= coins
	case wallet.Withdrawal:
		if diamonds == 0 {
			return e, false
		}
		e.Amount = 1 + uint32(rng.Uint64N(diamonds))
		return e, true
	case wallet.Hold:
		e.Amount, e.Ref = price, e.Seq
		return e, uint64(price) <= coins
	}
	open := naive.OpenHolds()
	if len(open) == 0 {
		return e, false
	}
	h := open[rng.IntN(len(open))]
	e.Amount, e.Ref = h.Amount, h.ID
	return e, true
}

// party draws low indices far more often, as a user's friends are.
func party(rng *rand.Rand, parties int) uint32 {
	x := rng.Float64()
	return uint32(float64(parties) * x * x * x)
}
