package wallet

import "slices"

// topListed is the length of the lists of top gifts and top counterparts.
const topListed = 10

// denseGifts is more than the highest id of a gift on sale.
const denseGifts = 1024

// GiftTotal is what was given and got of one gift.
type GiftTotal struct {
	GiftID uint32
	Count  uint32
	Sum    uint64
}

// Counterpart is what was sent to and received from one other user, in gifts.
type Counterpart struct {
	User     uint32
	Count    uint32
	Sent     uint64
	Received uint64
}

// Cell is the entries of one kind in one bucket.
type Cell struct {
	Count uint64
	Sum   uint64
}

// GiftValues are nearest-rank quantiles of the amounts of Count gift entries; without meaning when
// Count is 0.
type GiftValues struct {
	Count         int
	P50, P90, P99 uint32
}

// Statistics sums one user's entries over a window. Its buffers are reused by the next Sum, so a
// Statistics belongs to one request at a time. The zero value is ready.
type Statistics struct {
	Window          Window
	TopGifts        []GiftTotal   // by descending sum, then ascending gift id
	TopCounterparts []Counterpart // by descending sent + received, then ascending user id
	GiftValues      GiftValues    // of all gift entries
	BucketGifts     []GiftValues  // of those of each bucket

	cells   []Cell // by kind, then bucket; only the parts of present kinds hold values
	present [KindCount]bool
	byGift  tally
	byUser  tally
	values  ranks
	best    []uint32
}

// Sum replaces the content of s by the statistics of the view's entries in the window.
func (s *Statistics) Sum(v View, w Window, users *Users) {
	s.Window = w
	s.present = [KindCount]bool{}
	if need := KindCount * w.Buckets; cap(s.cells) < need {
		s.cells = make([]Cell, need)
	}
	s.byGift.start(denseGifts)
	s.byUser.start(users.Len())
	s.values.reset()
	s.add(v.Loaded.between(w.FromMs, w.ToMs))
	s.add(v.Written.between(w.FromMs, w.ToMs))
	s.rank(users)
}

// Cells returns one cell a bucket for the kind, or nil when the window has no such entry.
func (s *Statistics) Cells(k Kind) []Cell {
	if !s.present[k] {
		return nil
	}
	return s.cellsOf(k)
}

func (s *Statistics) cellsOf(k Kind) []Cell {
	n := s.Window.Buckets
	return s.cells[int(k)*n : (int(k)+1)*n]
}

// add sums rows that lie in the window. Times do not fall, so the bucket moves ahead without a
// division.
func (s *Statistics) add(rows Rows) {
	times := rows.TimeMs
	kinds, amounts, parties, refs := rows.Kind[:len(times)], rows.Amount[:len(times)], rows.Party[:len(times)], rows.Ref[:len(times)]
	buckets := s.Window.Buckets
	cells := s.cells[:KindCount*buckets]
	bucket, endMs := 0, s.Window.FirstBucketMs+s.Window.BucketMs
	for i, timeMs := range times {
		for timeMs >= endMs {
			bucket++
			endMs += s.Window.BucketMs
		}
		kind, amount := Kind(kinds[i]), amounts[i]
		if !s.present[kind] {
			s.present[kind] = true
			clear(s.cellsOf(kind))
		}
		cell := &cells[int(kind)*buckets+bucket]
		cell.Count++
		cell.Sum += uint64(amount)
		switch kind {
		case GiftSent:
			gift, party := s.byGift.of(refs[i]), s.byUser.of(parties[i])
			gift.count++
			gift.sent += uint64(amount)
			party.count++
			party.sent += uint64(amount)
			s.values.add(amount)
		case GiftReceived:
			gift, party := s.byGift.of(refs[i]), s.byUser.of(parties[i])
			gift.count++
			gift.received += uint64(amount)
			party.count++
			party.received += uint64(amount)
			s.values.add(amount)
		}
	}
}

// rank fills the top lists and the quantiles from what was gathered.
func (s *Statistics) rank(users *Users) {
	s.best = s.byGift.top(topListed, func(a, b *total) bool {
		return a.sum() > b.sum() || (a.sum() == b.sum() && a.key < b.key)
	}, s.best)
	s.TopGifts = s.TopGifts[:0]
	for _, i := range s.best {
		t := &s.byGift.totals[i]
		s.TopGifts = append(s.TopGifts, GiftTotal{GiftID: t.key, Count: t.count, Sum: t.sum()})
	}
	s.best = s.byUser.top(topListed, func(a, b *total) bool {
		return a.sum() > b.sum() || (a.sum() == b.sum() && users.ID(a.key) < users.ID(b.key))
	}, s.best)
	s.TopCounterparts = s.TopCounterparts[:0]
	for _, i := range s.best {
		t := &s.byUser.totals[i]
		s.TopCounterparts = append(s.TopCounterparts, Counterpart{User: t.key, Count: t.count, Sent: t.sent, Received: t.received})
	}
	s.GiftValues = GiftValues{Count: len(s.values.values)}
	if s.GiftValues.Count > 0 {
		s.GiftValues.P50, s.GiftValues.P90, s.GiftValues.P99 = s.values.nearest(50), s.values.nearest(90), s.values.nearest(99)
	}
	s.rankBuckets()
}

// rankBuckets fills the quantiles of each bucket. Values come in the order of time, so those of a
// bucket lie side by side, as many as its gift cells count; each such run is searched in place.
func (s *Statistics) rankBuckets() {
	s.BucketGifts = slices.Grow(s.BucketGifts[:0], s.Window.Buckets)[:s.Window.Buckets]
	clear(s.BucketGifts)
	for _, kind := range [...]Kind{GiftSent, GiftReceived} {
		for bucket, cell := range s.Cells(kind) {
			s.BucketGifts[bucket].Count += int(cell.Count)
		}
	}
	values := s.values.values
	for bucket := range s.BucketGifts {
		gifts := &s.BucketGifts[bucket]
		if gifts.Count == 0 {
			continue
		}
		run := values[:gifts.Count]
		values = values[gifts.Count:]
		at50, at90, at99 := rankOf(50, len(run)), rankOf(90, len(run)), rankOf(99, len(run))
		// Each selection leaves the larger values behind it, where the next one lies.
		gifts.P50 = selectAt(run, at50)
		gifts.P90 = selectAt(run[at50:], at90-at50)
		gifts.P99 = selectAt(run[at90:], at99-at90)
	}
}
