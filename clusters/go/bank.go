package wallet

import (
	"errors"
	"math"
	"sync"
	"time"
)

// Faults of a write.
var (
	ErrKeyReused        = errors.New("the idempotency key was used with another request")
	ErrSequenceOverflow = errors.New("the ledger has no sequence number left")
	ErrStoreUnavailable = errors.New("the store does not take the write now")
	ErrStoreLost        = errors.New("the store has lost writes that were taken")
)

// Request names a write of a client: its idempotency key and a digest of all that the client sent,
// so that a repeated request is told from another one with the same key.
type Request struct {
	Key    string
	Digest [32]byte
}

// Outcome is what a write led to. Together with the request it determines the answer.
type Outcome struct {
	Refused bool   // the wallet did not hold that much; nothing was written
	Seq     uint32 // the first entry written
	TimeMs  int64  // its time
	Mark    Mark   // the ledger's mark after the write
}

// Posting is an entry for one user's ledger.
type Posting struct {
	User  uint32
	Entry Entry
}

// Decide looks at the payer's written rows and the mark of the moment, and returns the entries to
// append, ascending by seq and all at or after the mark's time. No entries means refused.
type Decide func(written Rows, mark Mark) ([]Posting, error)

// StoreState says how a journal stands to the store that it shares with other instances.
type StoreState uint8

// The states of a store. Whatever it is, reads go on with what the journal has.
const (
	NoStore       StoreState = iota // writes live in this instance alone
	StoreFollowed                   // what others write is seen
	StoreGone                       // it does not answer; the journal will catch up by itself
	StoreLost                       // it has lost writes that this journal has seen; there is no way back
)

// Journal keeps the entries written since the ledger was loaded, and the outcomes of writes by key.
type Journal interface {
	// View returns the rows written for the user and the mark, both of one moment.
	View(user uint32) (Rows, Mark)
	// Write runs decide for the payer while no other write runs and appends all of its entries or
	// none. A request seen before gets its first outcome again (replayed), the same key with another
	// digest ErrKeyReused. An error of decide is passed on and not remembered.
	// With a store decide may run more than once, and ErrStoreUnavailable leaves open whether the write
	// was taken: the same request again tells.
	Write(request Request, payer uint32, decide Decide) (outcome Outcome, replayed bool, err error)
	// Store returns how the journal stands to its store.
	Store() StoreState
}

// Bank answers reads from the ledger and the journal, and takes writes.
type Bank struct {
	ledger  *Ledger
	journal Journal
	clock   func() time.Time
	folds   sync.Pool
}

// NewBank returns a bank over a loaded ledger. The clock gives the time of writes.
func NewBank(ledger *Ledger, journal Journal, clock func() time.Time) *Bank {
	return &Bank{ledger: ledger, journal: journal, clock: clock, folds: sync.Pool{New: func() any { return new(Balance) }}}
}

// Users returns the directory of users.
func (b *Bank) Users() *Users { return b.ledger.users }

// Entries returns the number of loaded entries.
func (b *Bank) Entries() int { return b.ledger.Len() }

// Store returns how the bank stands to the store that it shares with other instances.
func (b *Bank) Store() StoreState { return b.journal.Store() }

// AsOf returns the highest sequence number that the bank has seen.
func (b *Bank) AsOf() uint32 {
	_, mark := b.journal.View(0)
	return mark.Seq
}

// View returns the user's entries at the present mark.
func (b *Bank) View(user uint32) View {
	written, mark := b.journal.View(user)
	return View{Loaded: b.ledger.Rows(user), Written: written, Mark: mark}
}

// Recharge adds a lot of coins that is valid for some hours.
func (b *Bank) Recharge(request Request, user, coins, validHours uint32) (Outcome, bool, error) {
	return b.journal.Write(request, user, func(_ Rows, mark Mark) ([]Posting, error) {
		e, err := b.next(mark, 1)
		if err != nil {
			return nil, err
		}
		e.Kind, e.Amount, e.Party, e.Ref = Recharge, coins, NoParty, validHours
		return []Posting{{user, e}}, nil
	})
}

// Gift moves coins out of one wallet and as many diamonds into another.
func (b *Bank) Gift(request Request, from, to, giftID, coins uint32) (Outcome, bool, error) {
	return b.journal.Write(request, from, func(written Rows, mark Mark) ([]Posting, error) {
		sent, err := b.next(mark, 2)
		if err != nil {
			return nil, err
		}
		enough, err := b.holds(from, written, sent.TimeMs, func(w *Balance) uint64 { return w.Coins.Available }, coins)
		if err != nil || !enough {
			return nil, err
		}
		sent.Kind, sent.Amount, sent.Party, sent.Ref = GiftSent, coins, to, giftID
		received := sent
		received.Seq, received.Kind, received.Party = sent.Seq+1, GiftReceived, from
		return []Posting{{from, sent}, {to, received}}, nil
	})
}

// Withdraw takes diamonds out of the wallet.
func (b *Bank) Withdraw(request Request, user, diamonds uint32) (Outcome, bool, error) {
	return b.journal.Write(request, user, func(written Rows, mark Mark) ([]Posting, error) {
		e, err := b.next(mark, 1)
		if err != nil {
			return nil, err
		}
		enough, err := b.holds(user, written, e.TimeMs, func(w *Balance) uint64 { return w.Diamonds.Available }, diamonds)
		if err != nil || !enough {
			return nil, err
		}
		e.Kind, e.Amount, e.Party = Withdrawal, diamonds, NoParty
		return []Posting{{user, e}}, nil
	})
}

// next returns an entry with the sequence number and time of the next write, when count more
// entries can be numbered. Time does not fall behind the ledger's.
func (b *Bank) next(mark Mark, count uint32) (Entry, error) {
	if mark.Seq > math.MaxUint32-count {
		return Entry{}, ErrSequenceOverflow
	}
	return Entry{Seq: mark.Seq + 1, TimeMs: max(b.clock().UnixMilli(), mark.TimeMs)}, nil
}

// holds reports whether the user's balance at the time covers the amount.
func (b *Bank) holds(user uint32, written Rows, timeMs int64, purse func(*Balance) uint64, amount uint32) (bool, error) {
	balance := b.folds.Get().(*Balance)
	defer b.folds.Put(balance)
	err := balance.Fold(View{Loaded: b.ledger.Rows(user), Written: written, Mark: Mark{TimeMs: timeMs}})
	if err != nil {
		return false, err
	}
	return purse(balance) >= uint64(amount), nil
}
