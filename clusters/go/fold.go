package wallet

import "sort"

// The rules of diamond lots, in milliseconds.
const (
	diamondFreezeMs   = 7 * DayMs
	diamondValidMs    = 30 * DayMs // times 1 + gift id mod 4
	diamondValidKinds = 4
)

// fold is the state of a wallet while its entries are applied in order.
//
// Coin lots stand in an arena, and a min-heap by (expiry, id) holds exactly those with something
// left, apart from lots that expired: these leave the heap when they come to its top. A taking
// entry eats from the top. Each hold remembers its portions in one shared arena.
//
// Diamond lots need no arena: all of them freeze for the same time, so the rows themselves are the
// queue of frozen lots. thawed is the number of rows that have left it. They move into the diamonds'
// heap when a withdrawal comes, which keeps what remains of each, so a host without withdrawals
// never sorts anything.
//
// Expiry of coins is not tracked while folding: what remains in a lot at the end, beyond its expiry,
// has expired. A release into an expired lot adds to that remainder, which is what the rules ask.
type fold struct {
	view            View
	coins           []coinLot
	coinHeap        lotHeap
	holds           []hold
	portions        []portion
	diamondHeap     lotHeap
	thawed          int
	diamondsExpired uint64 // of lots that a withdrawal met
	sums            [KindCount]uint64
}

// coinLot is a recharge or bonus. Positions in the arena ascend with the ids.
type coinLot struct {
	expiresAtMs int64
	id          uint32
	amount      uint32
	remaining   uint32
	kind        Kind
}

// hold is an amount of frozen coins, whose portions are portions[first:first+count].
type hold struct {
	id      uint32
	amount  uint32
	sinceMs int64
	first   uint32
	count   uint32
	open    bool
}

// portion says how many coins a hold took from a lot.
type portion struct {
	lot   uint32
	coins uint32
}

// start empties the state for a view. The buffers stay.
func (f *fold) start(v View) {
	*f = fold{
		view: v, coins: f.coins[:0], coinHeap: f.coinHeap[:0], holds: f.holds[:0], portions: f.portions[:0],
		diamondHeap: f.diamondHeap[:0],
	}
}

// apply folds the rows, which follow those applied before. It returns false when they break the
// ledger's rules.
func (f *fold) apply(rows Rows) bool {
	kinds := rows.Kind
	// Equal lengths, said once, so that the loop indexes without checks.
	times, amounts := rows.TimeMs[:len(kinds)], rows.Amount[:len(kinds)]
	seqs, refs := rows.Seq[:len(kinds)], rows.Ref[:len(kinds)]
	for i, k := range kinds {
		kind, amount := Kind(k), amounts[i]
		ok := true
		switch kind {
		case GiftReceived: // nothing, until it can be withdrawn
		case Recharge, Bonus:
			f.addCoins(kind, seqs[i], amount, times[i]+int64(refs[i])*HourMs)
		case GiftSent:
			ok = f.spend(amount, times[i])
		case Withdrawal:
			ok = f.withdraw(amount, times[i])
		case Hold:
			ok = f.hold(seqs[i], amount, times[i])
		case Capture:
			ok = f.settle(refs[i], amount) != nil
		case Release:
			ok = f.release(refs[i], amount, times[i])
		default:
			ok = false
		}
		if !ok {
			return false
		}
		f.sums[kind] += uint64(amount)
	}
	return true
}

func (f *fold) addCoins(kind Kind, id, amount uint32, expiresAtMs int64) {
	f.coinHeap.push(newLotKey(expiresAtMs, uint32(len(f.coins)), 0))
	f.coins = append(f.coins, coinLot{expiresAtMs: expiresAtMs, id: id, amount: amount, remaining: amount, kind: kind})
}

// takeCoins takes up to amount from the usable coin lot that expires first. It returns the lot's
// number and what was taken, or false when no usable lot is left.
func (f *fold) takeCoins(amount uint32, timeMs int64) (number, taken uint32, ok bool) {
	for len(f.coinHeap) > 0 {
		top := f.coinHeap[0]
		if top.expiresAtMs() <= timeMs {
			f.coinHeap.pop()
			continue
		}
		from := &f.coins[top.number()]
		taken = min(amount, from.remaining)
		from.remaining -= taken
		if from.remaining == 0 {
			f.coinHeap.pop()
		}
		return uint32(top.number()), taken, true
	}
	return 0, 0, false
}

// spend takes the amount from usable coin lots, first-expiring first.
func (f *fold) spend(amount uint32, timeMs int64) bool {
	for amount > 0 {
		_, taken, ok := f.takeCoins(amount, timeMs)
		if !ok {
			return false
		}
		amount -= taken
	}
	return true
}

// hold freezes coins as spend takes them and remembers the portions in the order taken.
func (f *fold) hold(id, amount uint32, timeMs int64) bool {
	first := uint32(len(f.portions))
	for left := amount; left > 0; {
		number, taken, ok := f.takeCoins(left, timeMs)
		if !ok {
			return false
		}
		f.portions = append(f.portions, portion{lot: number, coins: taken})
		left -= taken
	}
	f.holds = append(f.holds, hold{
		id: id, amount: amount, sinceMs: timeMs, first: first, count: uint32(len(f.portions)) - first, open: true,
	})
	return true
}

// settle closes the open hold with this id and amount and returns it, or nil when there is none.
func (f *fold) settle(id, amount uint32) *hold {
	at := sort.Search(len(f.holds), func(i int) bool { return f.holds[i].id >= id })
	if at == len(f.holds) {
		return nil
	}
	h := &f.holds[at]
	if h.id != id || !h.open || h.amount != amount {
		return nil
	}
	h.open = false
	return h
}

// release puts the portions of a hold back into their lots. A lot that had been emptied returns to
// the heap unless it has expired.
func (f *fold) release(id, amount uint32, timeMs int64) bool {
	h := f.settle(id, amount)
	if h == nil {
		return false
	}
	for _, p := range f.portions[h.first : h.first+h.count] {
		back := &f.coins[p.lot]
		if back.remaining == 0 && back.expiresAtMs > timeMs {
			f.coinHeap.push(newLotKey(back.expiresAtMs, p.lot, 0))
		}
		back.remaining += p.coins
	}
	return true
}

// withdraw takes the amount from thawed, usable diamond lots, first-expiring first.
func (f *fold) withdraw(amount uint32, timeMs int64) bool {
	f.thaw(timeMs)
	for amount > 0 {
		if len(f.diamondHeap) == 0 {
			return false
		}
		top := &f.diamondHeap[0]
		remaining := top.remaining()
		switch {
		case top.expiresAtMs() <= timeMs:
			f.diamondsExpired += uint64(remaining)
			f.diamondHeap.pop()
		case remaining > amount:
			top.lot -= uint64(amount)
			return true
		default:
			amount -= remaining
			f.diamondHeap.pop()
		}
	}
	return true
}

// thaw moves the lots that are available at the time from the rows into the heap. It never comes to
// rows that are not applied yet: their lots are frozen still.
func (f *fold) thaw(timeMs int64) {
	loaded := f.view.Loaded.Len()
	if f.thawed < loaded {
		f.thawed += f.thawRows(f.view.Loaded.Slice(f.thawed, loaded), timeMs)
	}
	if f.thawed >= loaded && f.thawed < f.view.Len() {
		f.thawed += f.thawRows(f.view.Written.Slice(f.thawed-loaded, f.view.Written.Len()), timeMs)
	}
}

// thawRows returns the number of rows at the front that are available. The first of them is the row
// numbered thawed.
func (f *fold) thawRows(rows Rows, timeMs int64) int {
	for i, receivedMs := range rows.TimeMs {
		if receivedMs+diamondFreezeMs > timeMs {
			return i
		}
		if Kind(rows.Kind[i]) == GiftReceived {
			f.diamondHeap.push(newLotKey(diamondExpiry(receivedMs, rows.Ref[i]), uint32(f.thawed+i), rows.Amount[i]))
		}
	}
	return rows.Len()
}

func diamondExpiry(receivedMs int64, giftID uint32) int64 {
	return receivedMs + diamondValidMs*int64(1+giftID%diamondValidKinds)
}
