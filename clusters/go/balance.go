package wallet

// listed is how many lots and holds an answer names; their number in all stands beside them.
const listed = 20

// expiringMs is how far ahead of now a lot counts as expiring.
const expiringMs = 7 * DayMs

// Purse is what a wallet holds of one currency.
type Purse struct {
	Available uint64 // can be spent or withdrawn now
	Frozen    uint64 // coins in open holds; diamonds not yet usable
	Expiring  uint64 // the part of Available that expires within 7 days
}

// Lot is what remains of an amount that came in.
type Lot struct {
	ID          uint32
	Kind        Kind
	Amount      uint32
	Remaining   uint32
	ExpiresAtMs int64
}

// OpenHold is an amount of coins frozen since a time.
type OpenHold struct {
	ID      uint32
	Amount  uint32
	SinceMs int64
}

// Balance is the fold of one user's entries at one mark. Its buffers are reused by the next fold, so
// a Balance belongs to one request at a time. The zero value is ready.
type Balance struct {
	Coins, Diamonds               Purse
	CoinsExpired, DiamondsExpired uint64

	Lots            []Lot // the first 20 usable coin lots by (expiry, id)
	LotsOpen        int
	DiamondLots     []Lot // the first 20 usable diamond lots by (expiry, id)
	DiamondLotsOpen int
	Holds           []OpenHold // the first 20 open holds by id
	HoldsOpen       int

	Sums            [KindCount]uint64 // entry amounts by kind
	Entries         int
	FirstMs, LastMs int64 // times of the first and last entry; without meaning when Entries is 0

	state fold
	open  closing
}

// Fold replaces the content of b by the balance of the view. It returns ErrCorrupt when the entries
// break the ledger's rules; b has no meaning then.
func (b *Balance) Fold(v View) error {
	b.state.start(v)
	if !b.state.apply(v.Loaded) || !b.state.apply(v.Written) {
		return ErrCorrupt
	}
	b.closeCoins(v.Mark.TimeMs)
	b.closeDiamonds(v, v.Mark.TimeMs)
	b.listHolds()
	b.Sums = b.state.sums
	b.state.view = View{} // a pooled Balance keeps no rows alive
	b.Entries = v.Len()
	if b.Entries > 0 {
		b.FirstMs, b.LastMs = v.at(0).TimeMs, v.at(b.Entries-1).TimeMs
	}
	return nil
}

// closing sorts what remains in usable lots at now into available and expired, and keeps the first.
type closing struct {
	nowMs   int64
	purse   Purse
	count   int
	expired uint64
	first   []lotKey
}

func (c *closing) start(nowMs int64) { *c = closing{nowMs: nowMs, first: c.first[:0]} }

func (c *closing) add(k lotKey) {
	remaining, expiresAtMs := uint64(k.remaining()), k.expiresAtMs()
	if expiresAtMs <= c.nowMs {
		c.expired += remaining
		return
	}
	c.count++
	c.purse.Available += remaining
	if expiresAtMs <= c.nowMs+expiringMs {
		c.purse.Expiring += remaining
	}
	c.keep(k)
}

// keep inserts k into the ascending first keys and drops what falls behind the listed ones.
func (c *closing) keep(k lotKey) {
	if len(c.first) < listed {
		c.first = append(c.first, k)
	} else if k.before(c.first[listed-1]) == 0 {
		return
	}
	i := len(c.first) - 1
	for i > 0 && k.before(c.first[i-1]) == 1 {
		c.first[i] = c.first[i-1]
		i--
	}
	c.first[i] = k
}

func (b *Balance) closeCoins(nowMs int64) {
	b.open.start(nowMs)
	lots := b.state.coins
	for i := range lots {
		if l := &lots[i]; l.remaining > 0 {
			b.open.add(newLotKey(l.expiresAtMs, uint32(i), l.remaining))
		}
	}
	b.Coins, b.LotsOpen, b.CoinsExpired = b.open.purse, b.open.count, b.open.expired
	b.Lots = b.Lots[:0]
	for _, k := range b.open.first {
		l := &lots[k.number()]
		b.Lots = append(b.Lots, Lot{ID: l.id, Kind: l.kind, Amount: l.amount, Remaining: l.remaining, ExpiresAtMs: l.expiresAtMs})
	}
}

// closeDiamonds counts what the heap has left, what has thawed since the last withdrawal, and the
// frozen rest.
func (b *Balance) closeDiamonds(v View, nowMs int64) {
	b.open.start(nowMs)
	for _, k := range b.state.diamondHeap {
		b.open.add(k)
	}
	loaded, thawed := v.Loaded.Len(), b.state.thawed
	if thawed < loaded {
		b.closeRows(v.Loaded.Slice(thawed, loaded), thawed)
		thawed = loaded
	}
	b.closeRows(v.Written.Slice(thawed-loaded, v.Written.Len()), thawed)
	b.Diamonds, b.DiamondLotsOpen = b.open.purse, b.open.count
	b.DiamondsExpired = b.state.diamondsExpired + b.open.expired
	b.DiamondLots = b.DiamondLots[:0]
	for _, k := range b.open.first {
		e := v.at(k.number())
		b.DiamondLots = append(b.DiamondLots, Lot{
			ID: e.Seq, Kind: e.Kind, Amount: e.Amount, Remaining: k.remaining(), ExpiresAtMs: k.expiresAtMs(),
		})
	}
}

// closeRows adds the untouched lots of the rows, the first of which has the given number.
func (b *Balance) closeRows(rows Rows, number int) {
	for i, kind := range rows.Kind {
		if Kind(kind) != GiftReceived {
			continue
		}
		if receivedMs := rows.TimeMs[i]; receivedMs+diamondFreezeMs > b.open.nowMs {
			b.open.purse.Frozen += uint64(rows.Amount[i])
		} else {
			b.open.add(newLotKey(diamondExpiry(receivedMs, rows.Ref[i]), uint32(number+i), rows.Amount[i]))
		}
	}
}

// listHolds counts the open holds and lists the first of them; the arena ascends by id.
func (b *Balance) listHolds() {
	b.Holds, b.HoldsOpen = b.Holds[:0], 0
	for i := range b.state.holds {
		h := &b.state.holds[i]
		if !h.open {
			continue
		}
		b.HoldsOpen++
		b.Coins.Frozen += uint64(h.amount)
		if len(b.Holds) < listed {
			b.Holds = append(b.Holds, OpenHold{ID: h.id, Amount: h.amount, SinceMs: h.sinceMs})
		}
	}
}
