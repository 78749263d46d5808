package redisstore

import (
	"crypto/rand"
	"fmt"
	"sync"

	"twinload/wallet"
)

// head names the last event that was applied.
type head struct {
	at    position
	token string
}

// replica is what the stream has told so far. Events are applied in the stream's order, each once,
// by whoever brings them first: the follower, or the writer that appended them.
type replica struct {
	users   *wallet.Users
	written *wallet.Written

	mu       sync.Mutex // orders what follows; reads of wallets do not take it
	head     head
	outcomes map[string]outcome // nil in an instance that takes no writes
	state    wallet.StoreState
	why      string // why the state is lost
}

type outcome struct {
	digest [32]byte
	wallet.Outcome
}

// newToken returns a token that no other event has.
func newToken() string { return rand.Text() }

// moment is what a writer decides on.
type moment struct {
	head    head
	state   wallet.StoreState
	first   outcome // of the request's key
	seen    bool    // whether there is one
	written wallet.Rows
	mark    wallet.Mark
}

// look returns the state, the key's outcome and the payer's rows, all of one moment.
func (r *replica) look(key string, payer uint32) moment {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := moment{head: r.head, state: r.state}
	m.first, m.seen = r.outcomes[key]
	m.written, m.mark = r.written.View(payer)
	return m
}

// start notes the stream's first event, unless a later one was applied already.
func (r *replica) start(genesis head) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.head.token == "" {
		r.head = genesis
	}
}

// abandon marks the store as lost because of an error.
func (r *replica) abandon(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lose("%v", err)
}

// apply takes one event. One that was applied already is passed over. An event that does not follow
// the last one, or contradicts the ledger, means that the stream is not the one followed so far.
func (r *replica) apply(e *event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.state == wallet.StoreLost:
		return r.lost()
	case e.at == r.head.at && e.token != r.head.token:
		return r.lose("event %s is not the one that was seen before", e.at)
	case !e.at.isAfter(r.head.at):
		return nil
	case e.after != r.head.token:
		return r.lose("event %s does not follow event %s", e.at, r.head.at)
	}
	postings, err := e.postings(r.users)
	if err != nil {
		return r.lose("%v", err)
	}
	_, mark := r.written.View(0)
	if !fits(e, len(postings), mark) {
		return r.lose("event %s has the seq %d and time %d after %+v", e.at, e.seq, e.timeMs, mark)
	}
	result := wallet.Outcome{Refused: len(postings) == 0, Mark: mark}
	if !result.Refused {
		result.Seq, result.TimeMs = e.seq, e.timeMs
		result.Mark = r.written.Append(postings)
	}
	if r.outcomes != nil {
		r.outcomes[e.key] = outcome{e.digest, result}
	}
	r.head = head{e.at, e.token}
	return nil
}

// fits reports whether the event's entries are the ledger's next.
func fits(e *event, entries int, mark wallet.Mark) bool {
	if entries == 0 {
		return e.seq == mark.Seq && e.at.seq == mark.Seq
	}
	return e.seq == mark.Seq+1 && e.at.seq == mark.Seq+uint32(entries) && e.timeMs >= mark.TimeMs
}

// confirm checks that the stream still has the event at head, as it was.
func (r *replica) confirm(found *event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == wallet.StoreLost {
		return r.lost()
	}
	if found == nil {
		return r.lose("event %s is gone", r.head.at)
	}
	return nil
}

// lose marks the store as lost, for good. Only with the lock.
func (r *replica) lose(format string, values ...any) error {
	r.state, r.why = wallet.StoreLost, fmt.Sprintf(format, values...)
	return r.lost()
}

func (r *replica) lost() error { return fmt.Errorf("%w: %s", wallet.ErrStoreLost, r.why) }

// setState notes whether the store answers, unless it is lost.
func (r *replica) setState(state wallet.StoreState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != wallet.StoreLost {
		r.state = state
	}
}

func (r *replica) at() head {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.head
}

func (r *replica) storeState() wallet.StoreState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}
