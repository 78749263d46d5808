package redisstore

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"twinload/wallet"
)

// Operations of an event.
const (
	opGenesis    = "genesis"    // the first event: which loaded ledger the stream goes on from
	opRecharge   = "recharge"   // one entry
	opGift       = "gift"       // two entries: sent, and received with the next seq
	opWithdrawal = "withdrawal" // one entry
	opRefused    = "refused"    // no entry: a wallet did not hold that much, which is an answer to remember
)

// position is an event's id in the stream: the ledger's seq after the event, and a step among the
// events that leave the ledger at that seq.
type position struct {
	seq  uint32
	step uint64
}

func (p position) String() string { return fmt.Sprintf("%d-%d", p.seq, p.step) }

func (p position) isAfter(q position) bool {
	return p.seq > q.seq || p.seq == q.seq && p.step > q.step
}

func parsePosition(id string) (position, error) {
	seq, step, _ := strings.Cut(id, "-")
	high, err := strconv.ParseUint(seq, 10, 32)
	low, err2 := strconv.ParseUint(step, 10, 64)
	return position{uint32(high), low}, errors.Join(err, err2)
}

// event is one element of the stream. Each names the token of the one before it, so that two
// streams with a common beginning are told from one another at the first event that differs.
type event struct {
	at     position
	token  string // unlike any other
	after  string // the token of the event before; empty in the genesis
	op     string
	key    string // the request's idempotency key; empty in the genesis
	digest [32]byte
	seq    uint32 // of the first entry; for events without entries the ledger's
	timeMs int64  // of all entries; for events without entries the ledger's
	user   string // whose request it is
	party  string // who gets the gift
	amount uint32 // coins or diamonds; in the genesis the number of loaded entries
	ref    uint32 // valid hours or gift id; in the genesis the number of users
}

// fields returns the event as field names and values, the token first: appendScript looks there.
func (e *event) fields() []any {
	return []any{
		"token", e.token, "after", e.after, "op", e.op, "key", e.key,
		"digest", base64.RawURLEncoding.EncodeToString(e.digest[:]),
		"seq", strconv.FormatUint(uint64(e.seq), 10), "time_ms", strconv.FormatInt(e.timeMs, 10),
		"user", e.user, "party", e.party,
		"amount", strconv.FormatUint(uint64(e.amount), 10), "ref", strconv.FormatUint(uint64(e.ref), 10),
	}
}

// parseEvent reads an element of the stream.
func parseEvent(id string, values map[string]any) (*event, error) {
	r := reader{values: values}
	e := &event{
		token: r.text("token"), after: r.text("after"), op: r.text("op"), key: r.text("key"),
		seq: r.uint32("seq"), timeMs: r.int64("time_ms"), user: r.text("user"), party: r.text("party"),
		amount: r.uint32("amount"), ref: r.uint32("ref"),
	}
	digest, err := base64.RawURLEncoding.DecodeString(r.text("digest"))
	if err != nil || len(digest) != len(e.digest) {
		r.fail("digest")
	}
	copy(e.digest[:], digest)
	if e.at, err = parsePosition(id); err != nil {
		r.fail("id")
	}
	if r.fault != "" {
		return nil, fmt.Errorf("event %s has no usable %s", id, r.fault)
	}
	return e, nil
}

// reader takes typed values out of an element and remembers the first that is missing or malformed.
type reader struct {
	values map[string]any
	fault  string
}

func (r *reader) fail(name string) {
	if r.fault == "" {
		r.fault = name
	}
}

func (r *reader) text(name string) string {
	text, ok := r.values[name].(string)
	if !ok {
		r.fail(name)
	}
	return text
}

func (r *reader) uint32(name string) uint32 {
	value, err := strconv.ParseUint(r.text(name), 10, 32)
	if err != nil {
		r.fail(name)
	}
	return uint32(value)
}

func (r *reader) int64(name string) int64 {
	value, err := strconv.ParseInt(r.text(name), 10, 64)
	if err != nil {
		r.fail(name)
	}
	return value
}

// postings returns the event's entries. It fails on users that the ledger does not have and on an
// event that contradicts itself.
func (e *event) postings(users *wallet.Users) ([]wallet.Posting, error) {
	if e.op == opRefused {
		return nil, nil
	}
	user, known := users.Find(e.user)
	entry := wallet.Entry{Seq: e.seq, TimeMs: e.timeMs, Amount: e.amount, Party: wallet.NoParty, Ref: e.ref}
	if !known || e.amount == 0 {
		return nil, fmt.Errorf("event %s is about the user %q and the amount %d", e.at, e.user, e.amount)
	}
	switch e.op {
	case opRecharge:
		entry.Kind = wallet.Recharge
	case opWithdrawal:
		entry.Kind, entry.Ref = wallet.Withdrawal, 0
	case opGift:
		party, known := users.Find(e.party)
		if !known || party == user {
			return nil, fmt.Errorf("event %s is a gift to the user %q", e.at, e.party)
		}
		entry.Kind, entry.Party = wallet.GiftSent, party
		received := entry
		received.Seq, received.Kind, received.Party = entry.Seq+1, wallet.GiftReceived, user
		return []wallet.Posting{{User: user, Entry: entry}, {User: party, Entry: received}}, nil
	default:
		return nil, fmt.Errorf("event %s has the operation %q", e.at, e.op)
	}
	return []wallet.Posting{{User: user, Entry: entry}}, nil
}

// describe fills the event from entries that were decided on.
func (e *event) describe(postings []wallet.Posting, users *wallet.Users) {
	first := postings[0]
	e.seq, e.timeMs = first.Entry.Seq, first.Entry.TimeMs
	e.user, e.amount, e.ref = users.ID(first.User), first.Entry.Amount, first.Entry.Ref
	switch first.Entry.Kind {
	case wallet.GiftSent:
		e.op, e.party = opGift, users.ID(first.Entry.Party)
	case wallet.Withdrawal:
		e.op = opWithdrawal
	default:
		e.op = opRecharge
	}
	e.at = position{seq: postings[len(postings)-1].Entry.Seq, step: 1}
}

// newEvent returns the event of a request that was decided on after the event at head; no postings
// mean that it was refused.
func newEvent(head head, mark wallet.Mark, request wallet.Request, postings []wallet.Posting, users *wallet.Users) *event {
	e := &event{token: newToken(), after: head.token, key: strings.Clone(request.Key), digest: request.Digest}
	if len(postings) > 0 {
		e.describe(postings, users)
		return e
	}
	e.op, e.seq, e.timeMs = opRefused, mark.Seq, mark.TimeMs
	e.at = position{seq: head.at.seq, step: head.at.step + 1}
	return e
}
