package wallet

import "sort"

// Kind says what an entry does to the wallet. The numbers are those of the kind column.
type Kind uint8

// The kinds of the ledger; zero is none of them.
const (
	Recharge     Kind = 1 + iota // coins in, a lot; ref = valid hours
	GiftSent                     // coins out; party = receiver, ref = gift id
	GiftReceived                 // diamonds in, a lot; party = sender, ref = gift id
	Withdrawal                   // diamonds out
	Hold                         // coins frozen; ref = hold id
	Capture                      // frozen coins spent; ref = hold id
	Release                      // frozen coins put back; ref = hold id
	Bonus                        // coins in, a lot; ref = valid hours

	KindCount = int(Bonus) + 1 // length of an array indexed by Kind
)

// String returns the kind's name in answers.
func (k Kind) String() string {
	names := [KindCount]string{
		"", "recharge", "gift_sent", "gift_received", "withdrawal", "hold", "capture", "release", "bonus",
	}
	if int(k) < len(names) {
		return names[k]
	}
	return ""
}

// IsGift reports whether the entry is one side of a gift.
func (k Kind) IsGift() bool { return k == GiftSent || k == GiftReceived }

// NoParty in the party column says that no other user takes part.
const NoParty = 0xFFFFFFFF

// Durations of the ledger's rules, in milliseconds.
const (
	HourMs = int64(3_600_000)
	DayMs  = 24 * HourMs
)

// Entry is one event of one user's ledger.
type Entry struct {
	Seq    uint32
	TimeMs int64
	Kind   Kind
	Amount uint32
	Party  uint32
	Ref    uint32
}

// Rows is a run of entries as parallel columns, all of one length, ascending by Seq and by TimeMs.
// Columns are never changed below their length once they are shared, so a copy of a Rows is a
// snapshot that needs no lock.
type Rows struct {
	Seq    []uint32
	TimeMs []int64
	Kind   []uint8
	Amount []uint32
	Party  []uint32
	Ref    []uint32
}

// Len returns the number of entries.
func (r Rows) Len() int { return len(r.Seq) }

// Slice returns entries lo..hi as a view of the same columns.
func (r Rows) Slice(lo, hi int) Rows {
	return Rows{
		Seq: r.Seq[lo:hi:hi], TimeMs: r.TimeMs[lo:hi:hi], Kind: r.Kind[lo:hi:hi],
		Amount: r.Amount[lo:hi:hi], Party: r.Party[lo:hi:hi], Ref: r.Ref[lo:hi:hi],
	}
}

// At returns entry i.
func (r Rows) At(i int) Entry {
	return Entry{
		Seq: r.Seq[i], TimeMs: r.TimeMs[i], Kind: Kind(r.Kind[i]),
		Amount: r.Amount[i], Party: r.Party[i], Ref: r.Ref[i],
	}
}

// Append adds an entry at the end. Snapshots taken before do not see it.
func (r *Rows) Append(e Entry) {
	r.Seq = append(r.Seq, e.Seq)
	r.TimeMs = append(r.TimeMs, e.TimeMs)
	r.Kind = append(r.Kind, uint8(e.Kind))
	r.Amount = append(r.Amount, e.Amount)
	r.Party = append(r.Party, e.Party)
	r.Ref = append(r.Ref, e.Ref)
}

// between returns the entries with fromMs <= time < toMs.
func (r Rows) between(fromMs, toMs int64) Rows {
	lo := sort.Search(len(r.TimeMs), func(i int) bool { return r.TimeMs[i] >= fromMs })
	hi := lo + sort.Search(len(r.TimeMs)-lo, func(i int) bool { return r.TimeMs[lo+i] >= toMs })
	return r.Slice(lo, hi)
}

// Mark names a state of the whole ledger: the highest sequence number seen and the time of that
// entry, which is the service's "now". It is zero for an empty ledger.
type Mark struct {
	Seq    uint32
	TimeMs int64
}

// View is one user's entries at one mark: those loaded from files, then those written since.
type View struct {
	Loaded  Rows
	Written Rows
	Mark    Mark
}

// Len returns the number of entries in both parts.
func (v View) Len() int { return v.Loaded.Len() + v.Written.Len() }

// at returns entry i, counted over both parts.
func (v View) at(i int) Entry {
	if n := v.Loaded.Len(); i >= n {
		return v.Written.At(i - n)
	}
	return v.Loaded.At(i)
}
