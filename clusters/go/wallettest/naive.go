// Package wallettest has what tests of the wallet share: a slow, plain reading of the ledger's rules
// to hold the fold against, and random ledgers that obey these rules.
package wallettest

import (
	"cmp"
	"slices"

	"twinload/wallet"
)

// lot is coins or diamonds that came in together.
type lot struct {
	wallet.Lot
	usableAtMs int64
}

type part struct {
	lot    *lot
	amount uint32
}

type hold struct {
	wallet.OpenHold
	parts []part
}

// Naive is a wallet that reads the rules word by word: each taking entry sorts all usable lots, and
// each moment of expiry is looked up where it matters.
type Naive struct {
	coins, diamonds []*lot
	holds           []hold
	expiredOnReturn uint64
	entries         []wallet.Entry
}

// Usable returns the coins and diamonds that can be taken at the time.
func (n *Naive) Usable(timeMs int64) (coins, diamonds uint64) {
	return sum(usable(n.coins, timeMs)), sum(usable(n.diamonds, timeMs))
}

// OpenHolds returns the open holds in the order of their ids.
func (n *Naive) OpenHolds() []wallet.OpenHold {
	var open []wallet.OpenHold
	for _, h := range n.holds {
		open = append(open, h.OpenHold)
	}
	return open
}

// Apply changes the wallet by one entry and reports whether the entry obeys the rules.
func (n *Naive) Apply(e wallet.Entry) bool {
	n.entries = append(n.entries, e)
	came := wallet.Lot{ID: e.Seq, Kind: e.Kind, Amount: e.Amount, Remaining: e.Amount}
	switch e.Kind {
	case wallet.Recharge, wallet.Bonus:
		came.ExpiresAtMs = e.TimeMs + int64(e.Ref)*3_600_000
		n.coins = append(n.coins, &lot{came, e.TimeMs})
		return true
	case wallet.GiftReceived:
		came.ExpiresAtMs = e.TimeMs + int64(30+30*(e.Ref%4))*86_400_000
		n.diamonds = append(n.diamonds, &lot{came, e.TimeMs + 7*86_400_000})
		return true
	case wallet.GiftSent:
		_, ok := take(n.coins, e)
		return ok
	case wallet.Withdrawal:
		_, ok := take(n.diamonds, e)
		return ok
	case wallet.Hold:
		parts, ok := take(n.coins, e)
		n.holds = append(n.holds, hold{wallet.OpenHold{ID: e.Seq, Amount: e.Amount, SinceMs: e.TimeMs}, parts})
		return ok
	case wallet.Capture, wallet.Release:
		return n.settle(e)
	}
	return false
}

func (n *Naive) settle(e wallet.Entry) bool {
	at := slices.IndexFunc(n.holds, func(h hold) bool { return h.ID == e.Ref })
	if at < 0 || n.holds[at].Amount != e.Amount {
		return false
	}
	if e.Kind == wallet.Release {
		for _, p := range n.holds[at].parts {
			if e.TimeMs < p.lot.ExpiresAtMs {
				p.lot.Remaining += p.amount
			} else {
				n.expiredOnReturn += uint64(p.amount)
			}
		}
	}
	n.holds = slices.Delete(n.holds, at, at+1)
	return true
}

func usable(lots []*lot, timeMs int64) []*lot {
	var found []*lot
	for _, l := range lots {
		if l.Remaining > 0 && l.usableAtMs <= timeMs && timeMs < l.ExpiresAtMs {
			found = append(found, l)
		}
	}
	slices.SortFunc(found, func(a, b *lot) int {
		return cmp.Or(cmp.Compare(a.ExpiresAtMs, b.ExpiresAtMs), cmp.Compare(a.ID, b.ID))
	})
	return found
}

func sum(lots []*lot) (total uint64) {
	for _, l := range lots {
		total += uint64(l.Remaining)
	}
	return total
}

func take(lots []*lot, e wallet.Entry) ([]part, bool) {
	from := usable(lots, e.TimeMs)
	if sum(from) < uint64(e.Amount) {
		return nil, false
	}
	var parts []part
	for left := e.Amount; left > 0; from = from[1:] {
		amount := min(left, from[0].Remaining)
		from[0].Remaining -= amount
		left -= amount
		parts = append(parts, part{from[0], amount})
	}
	return parts, true
}

// Balance returns the balance at now, in the exported fields of a wallet.Balance.
func (n *Naive) Balance(nowMs int64) *wallet.Balance {
	b := &wallet.Balance{Entries: len(n.entries), CoinsExpired: n.expiredOnReturn}
	for _, e := range n.entries {
		b.Sums[e.Kind] += uint64(e.Amount)
	}
	if b.Entries > 0 {
		b.FirstMs, b.LastMs = n.entries[0].TimeMs, n.entries[b.Entries-1].TimeMs
	}
	expired := count(n.coins, nowMs, &b.Coins)
	b.CoinsExpired += expired
	b.DiamondsExpired = count(n.diamonds, nowMs, &b.Diamonds)
	for _, l := range usable(n.coins, nowMs) {
		b.Lots = append(b.Lots, l.Lot)
	}
	for _, l := range usable(n.diamonds, nowMs) {
		b.DiamondLots = append(b.DiamondLots, l.Lot)
	}
	b.Holds = n.OpenHolds()
	for _, h := range b.Holds {
		b.Coins.Frozen += uint64(h.Amount)
	}
	b.LotsOpen, b.DiamondLotsOpen, b.HoldsOpen = len(b.Lots), len(b.DiamondLots), len(b.Holds)
	b.Lots = b.Lots[:min(20, len(b.Lots))]
	b.DiamondLots = b.DiamondLots[:min(20, len(b.DiamondLots))]
	b.Holds = b.Holds[:min(20, len(b.Holds))]
	return b
}

func count(lots []*lot, nowMs int64, purse *wallet.Purse) (expired uint64) {
	for _, l := range lots {
		remaining := uint64(l.Remaining)
		if nowMs >= l.ExpiresAtMs {
			expired += remaining
			continue
		}
		if nowMs < l.usableAtMs {
			purse.Frozen += remaining
			continue
		}
		purse.Available += remaining
		if l.ExpiresAtMs <= nowMs+7*86_400_000 {
			purse.Expiring += remaining
		}
	}
	return expired
}
