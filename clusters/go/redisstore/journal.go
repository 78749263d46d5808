// Package redisstore shares what is written to the wallet between instances through one Redis
// stream. The stream is the ledger's continuation: its order is the order of writes, every instance
// of either twin reads it and applies each event to what it has loaded.
//
//	write: decide on the state at event n -> append, if n is still the stream's last -> apply -> answer
//	            ^------------------- catch up, when it is not -------|
//
// A writer takes no lock that another process can see. It appends by a script that compares the
// token of the stream's last event with that of the last event the writer has applied, so a decision
// on an old state never enters the stream: two writers cannot overspend. The event carries the
// idempotency key, so whoever has applied the stream up to its end knows every key that moved money:
// an instance that dies between any two of these steps leaves an event whole, or none.
//
// The instance's state to its store (wallet.StoreState):
//
//	followed -> gone      a command failed
//	gone     -> followed  the last applied event is still in the stream, and all after it are applied
//	any      -> lost      the last applied event is not there, or another follows it than the stream's
//
// Nothing leaves lost: what others saw and what this instance saw are different ledgers.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"twinload/wallet"
)

// Limits of talking to the store.
const (
	writeLimit     = 5 * time.Second // a write that was not appended by then is told to be sent again
	appendAttempts = 64              // each lost to another writer's append
	commandLimit   = 5 * time.Second // a starved machine keeps a command waiting for seconds
	blockFor       = time.Second     // how long a read waits for an event; then the last one is confirmed
	batch          = 1000            // events a read
	firstRetry     = 20 * time.Millisecond
	lastRetry      = time.Second
)

// stream is the key of the one stream.
const stream = "wallet:ledger"

// appendScript appends an event when the last one has the token ARGV[1]; ARGV[2] is its id.
var appendScript = redis.NewScript(`
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not last or last[2][2] ~= ARGV[1] then return 0 end
redis.call('XADD', KEYS[1], ARGV[2], unpack(ARGV, 3))
return 1`)

// genesisScript begins the stream where there is none.
var genesisScript = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('XADD', KEYS[1], ARGV[1], unpack(ARGV, 2))
return 1`)

// Journal is a wallet.Journal in a Redis stream. In memory it keeps the entries and, where writes
// are taken, the outcomes of all keys; neither the stream nor this is ever trimmed.
type Journal struct {
	client  *redis.Client
	replica *replica
	turn    chan struct{} // held by this instance's writer; a channel, so that waiting has an end
	logger  *slog.Logger
}

var _ wallet.Journal = (*Journal)(nil)

// Store returns how this instance stands to the store.
func (j *Journal) Store() wallet.StoreState { return j.replica.storeState() }

// View returns the rows written for the user and the mark, both of one moment.
func (j *Journal) View(user uint32) (wallet.Rows, wallet.Mark) { return j.replica.written.View(user) }

// Write decides and appends until no other write came between, for at most five seconds.
func (j *Journal) Write(request wallet.Request, payer uint32, decide wallet.Decide) (wallet.Outcome, bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	select {
	case j.turn <- struct{}{}:
		defer func() { <-j.turn }()
	case <-ctx.Done():
		return wallet.Outcome{}, false, wallet.ErrStoreUnavailable
	}
	for range appendAttempts {
		outcome, replayed, err := j.attempt(ctx, request, payer, decide)
		if !errors.Is(err, errOvertaken) {
			return outcome, replayed, err
		}
		if err := j.catchUp(ctx); err != nil {
			return wallet.Outcome{}, false, j.told(err)
		}
	}
	return wallet.Outcome{}, false, wallet.ErrStoreUnavailable
}

// errOvertaken says that another event was appended since the decision.
var errOvertaken = errors.New("another write came first")

// attempt is one decision on the state of the moment.
func (j *Journal) attempt(ctx context.Context, request wallet.Request, payer uint32, decide wallet.Decide) (wallet.Outcome, bool, error) {
	now := j.replica.look(request.Key, payer)
	switch {
	case now.state == wallet.StoreLost:
		return wallet.Outcome{}, false, wallet.ErrStoreLost
	case now.seen && now.first.digest != request.Digest:
		return wallet.Outcome{}, false, wallet.ErrKeyReused
	case now.seen:
		return now.first.Outcome, true, nil
	case now.state != wallet.StoreFollowed:
		return wallet.Outcome{}, false, wallet.ErrStoreUnavailable
	}
	postings, err := decide(now.written, now.mark)
	if err != nil {
		return wallet.Outcome{}, false, err
	}
	e := newEvent(now.head, now.mark, request, postings, j.replica.users)
	arguments := append([]any{now.head.token, e.at.String()}, e.fields()...)
	appended, err := appendScript.Run(ctx, j.client, []string{stream}, arguments...).Int()
	if err != nil {
		return wallet.Outcome{}, false, j.told(err)
	}
	if appended == 0 {
		return wallet.Outcome{}, false, errOvertaken
	}
	if err := j.replica.apply(e); err != nil {
		return wallet.Outcome{}, false, j.told(err)
	}
	return j.replica.look(request.Key, payer).first.Outcome, false, nil
}

// told turns what went wrong with the store into what a client is told.
func (j *Journal) told(err error) error {
	if errors.Is(err, wallet.ErrStoreLost) {
		return wallet.ErrStoreLost
	}
	j.logger.Warn("write not confirmed by the store", "error", err)
	return fmt.Errorf("%w: %w", wallet.ErrStoreUnavailable, err)
}
