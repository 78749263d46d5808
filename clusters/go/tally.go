package wallet

// total is what one key of a tally gathered.
type total struct {
	key      uint32
	count    uint32
	sent     uint64
	received uint64
}

func (t *total) sum() uint64 { return t.sent + t.received }

// tally sums amounts by a key: a dense table leads from small keys to a list of totals.
type tally struct {
	table  []uint32          // position in totals + 1; 0 = none; by key
	beyond map[uint32]uint32 // the same for keys beyond the table, which a generated ledger has none of
	totals []total
}

// start empties the tally; keys below dense will be found by the table. Its cost follows the number
// of keys met before.
func (t *tally) start(dense int) {
	for i := range t.totals {
		if key := t.totals[i].key; int(key) < len(t.table) {
			t.table[key] = 0
		}
	}
	clear(t.beyond)
	t.totals = t.totals[:0]
	if len(t.table) < dense {
		t.table = make([]uint32, dense)
	}
}

// of returns the total of the key, a new one when the key is new. It is valid until the next call.
func (t *tally) of(key uint32) *total {
	if int(key) < len(t.table) {
		if at := t.table[key]; at != 0 {
			return &t.totals[at-1]
		}
	}
	return t.enter(key)
}

// enter returns the total of a key that is new or beyond the table.
func (t *tally) enter(key uint32) *total {
	if at := t.beyond[key]; at != 0 {
		return &t.totals[at-1]
	}
	t.totals = append(t.totals, total{key: key})
	at := uint32(len(t.totals))
	if int(key) < len(t.table) {
		t.table[key] = at
	} else {
		if t.beyond == nil {
			t.beyond = make(map[uint32]uint32)
		}
		t.beyond[key] = at
	}
	return &t.totals[at-1]
}

// top returns the positions of the first totals in the given order, at most limit of them, in the
// buffer. It keeps a sorted short list: most totals fall behind its end at one comparison.
func (t *tally) top(limit int, before func(a, b *total) bool, buffer []uint32) []uint32 {
	best := buffer[:0]
	for i := range t.totals {
		candidate := &t.totals[i]
		if len(best) < limit {
			best = append(best, 0)
		} else if !before(candidate, &t.totals[best[limit-1]]) {
			continue
		}
		at := len(best) - 1
		for at > 0 && before(candidate, &t.totals[best[at-1]]) {
			best[at] = best[at-1]
			at--
		}
		best[at] = uint32(i)
	}
	return best
}
