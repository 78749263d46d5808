package wallet

import (
	"errors"
	"fmt"
)

// ErrCorrupt says that a user's entries break the ledger's rules: more is taken than is there, or a
// hold is unknown or already settled.
var ErrCorrupt = errors.New("the ledger breaks its rules")

// Users maps user ids to their indices and back.
type Users struct {
	ids   []string
	index map[string]uint32
}

// NewUsers returns the directory of the ids, whose position is the user's index. It fails on an id
// that is not a user id and on a repeated one.
func NewUsers(ids []string) (*Users, error) {
	index := make(map[string]uint32, len(ids))
	for i, id := range ids {
		if !ValidID(id) {
			return nil, fmt.Errorf("user %d has the id %q; an id is 1 to 64 of A-Z a-z 0-9 _ -", i, id)
		}
		if first, taken := index[id]; taken {
			return nil, fmt.Errorf("users %d and %d have the same id %q; ids must be unique", first, i, id)
		}
		index[id] = uint32(i)
	}
	return &Users{ids: ids, index: index}, nil
}

// Find returns the index of the user with this id.
func (u *Users) Find(id string) (uint32, bool) {
	user, ok := u.index[id]
	return user, ok
}

// ID returns the id of the user at this index.
func (u *Users) ID(user uint32) string { return u.ids[user] }

// Len returns the number of users.
func (u *Users) Len() int { return len(u.ids) }

// ValidID reports whether s is 1 to 64 characters of A-Z a-z 0-9 _ -.
func ValidID(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if !letter && !digit && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// Ledger is the loaded part of the ledger. It does not change.
type Ledger struct {
	users   *Users
	offsets []int64
	rows    Rows
	mark    Mark
}

// NewLedger checks that the columns have the shape the package relies on: user u owns rows
// offsets[u]..offsets[u+1], ascending by seq and time, with known kinds, amounts above zero and
// parties that exist. Whether the entries obey the wallet's rules is found by each fold.
func NewLedger(users *Users, offsets []int64, rows Rows) (*Ledger, error) {
	if len(offsets) != users.Len()+1 {
		return nil, fmt.Errorf("offsets has %d values for %d users; it needs users + 1", len(offsets), users.Len())
	}
	if err := sameLength(rows); err != nil {
		return nil, err
	}
	n := int64(rows.Len())
	if offsets[0] != 0 || offsets[len(offsets)-1] != n {
		return nil, fmt.Errorf("offsets runs from %d to %d; it must run from 0 to the %d entries",
			offsets[0], offsets[len(offsets)-1], n)
	}
	for u := 1; u < len(offsets); u++ {
		if offsets[u] < offsets[u-1] || offsets[u] > n {
			return nil, fmt.Errorf("offsets[%d] is %d after %d; offsets must not fall", u, offsets[u], offsets[u-1])
		}
	}
	l := &Ledger{users: users, offsets: offsets, rows: rows}
	for u := range users.Len() {
		if err := l.checkUser(uint32(u)); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func sameLength(r Rows) error {
	n := len(r.Seq)
	for _, column := range []struct {
		name   string
		length int
	}{
		{"time_ms", len(r.TimeMs)}, {"kind", len(r.Kind)}, {"amount", len(r.Amount)},
		{"party", len(r.Party)}, {"ref", len(r.Ref)},
	} {
		if column.length != n {
			return fmt.Errorf("%s has %d values, seq has %d; all columns need one length", column.name, column.length, n)
		}
	}
	return nil
}

// checkUser checks one user's rows and moves the mark to the highest seq seen.
func (l *Ledger) checkUser(user uint32) error {
	rows := l.Rows(user)
	users := uint32(l.users.Len())
	var before Entry
	for i := range rows.Len() {
		e := rows.At(i)
		var fault string
		switch {
		case e.Seq <= before.Seq:
			fault = "seq must be above 0 and ascend"
		case i > 0 && e.TimeMs < before.TimeMs:
			fault = "time_ms must not fall"
		case e.Kind < Recharge || e.Kind > Bonus:
			fault = "kind must be 1 to 8"
		case e.Amount == 0:
			fault = "amount must be above 0"
		case e.Party >= users && (e.Party != NoParty || e.Kind.IsGift()):
			fault = "party must be a user's index"
		}
		if fault != "" {
			return fmt.Errorf("entry %d of user %d is %+v; %s", i, user, e, fault)
		}
		before = e
	}
	if before.Seq > l.mark.Seq {
		l.mark = Mark{Seq: before.Seq, TimeMs: before.TimeMs}
	}
	return nil
}

// Rows returns the user's entries.
func (l *Ledger) Rows(user uint32) Rows {
	return l.rows.Slice(int(l.offsets[user]), int(l.offsets[user+1]))
}

// Users returns the directory of users.
func (l *Ledger) Users() *Users { return l.users }

// Len returns the number of entries.
func (l *Ledger) Len() int { return l.rows.Len() }

// Mark returns the highest seq of the ledger with its time.
func (l *Ledger) Mark() Mark { return l.mark }
