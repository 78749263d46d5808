package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"twinload/wallet"
)

// ErrForeign says that the store is not one for this ledger.
var ErrForeign = errors.New("the store cannot be used")

// Address checks an address such as redis://127.0.0.1:6379 or redis://:secret@host:6379/1.
func Address(text string) (*redis.Options, error) {
	options, err := redis.ParseURL(text)
	if err != nil || !strings.HasPrefix(text, "redis://") {
		return nil, errors.New("it is no address such as redis://127.0.0.1:6379")
	}
	return options, nil
}

// connect returns a client that repeats nothing by itself: an append that was sent twice would be
// taken for another writer's.
func connect(options *redis.Options) *redis.Client {
	options.MaxRetries = -1
	options.DialerRetries = 1
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = commandLimit, commandLimit, commandLimit
	options.ContextTimeoutEnabled = true
	options.DisableIdentity = true
	options.Protocol = 2
	options.PoolSize = 4 // one writer at a time, one follower
	return redis.NewClient(options)
}

// Open connects to the store and returns when all that it holds is applied to the loaded ledger. It
// waits for a store that does not answer until the context ends. keep says whether this instance
// takes writes, and so keeps their outcomes.
//
// It returns ErrForeign for a store that another ledger's writes are in, or no wallet's at all.
func Open(ctx context.Context, options *redis.Options, ledger *wallet.Ledger, keep bool, logger *slog.Logger) (*Journal, error) {
	j := &Journal{
		client:  connect(options),
		replica: &replica{users: ledger.Users(), written: wallet.NewWritten(ledger.Mark()), state: wallet.StoreGone},
		turn:    make(chan struct{}, 1),
		logger:  logger.With("store", options.Addr),
	}
	if keep {
		j.replica.outcomes = make(map[string]outcome)
	}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := j.begin(ctx, ledger)
		var reply redis.Error
		switch {
		case err == nil:
			return j, nil
		case errors.Is(err, ErrForeign) || errors.Is(err, wallet.ErrStoreLost):
			return nil, fmt.Errorf("the store at %s: %w", options.Addr, err)
		case errors.As(err, &reply) && !redis.IsLoadingError(err):
			return nil, fmt.Errorf("the store at %s: %w: %w; give one of its own to --store", options.Addr, ErrForeign, err)
		}
		j.logger.Warn("waiting for the store", "error", err)
		if !sleep(ctx, wait) {
			return nil, ctx.Err()
		}
	}
}

// begin finds the beginning of the stream, or makes it, and catches up.
func (j *Journal) begin(ctx context.Context, ledger *wallet.Ledger) error {
	mark := ledger.Mark()
	genesis := &event{
		at: position{mark.Seq, 1}, token: newToken(), op: opGenesis,
		seq: mark.Seq, timeMs: mark.TimeMs, amount: uint32(ledger.Len()), ref: uint32(ledger.Users().Len()),
	}
	limited, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	arguments := append([]any{genesis.at.String()}, genesis.fields()...)
	if err := genesisScript.Run(limited, j.client, []string{stream}, arguments...).Err(); err != nil {
		return err
	}
	found, err := j.read(limited, "-", 1)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errors.New("the stream is empty, or went away")
	}
	first := found[0]
	if first.op != opGenesis {
		return fmt.Errorf("%w: its stream has lost its beginning; give an empty store", ErrForeign)
	}
	if first.at != genesis.at || first.timeMs != mark.TimeMs || first.amount != genesis.amount || first.ref != genesis.ref {
		return fmt.Errorf("%w: it goes on from a ledger of %d users, %d entries and seq %d, the loaded one has %d, %d and %d; "+
			"load the same data, or give an empty store", ErrForeign, first.ref, first.amount, first.seq, genesis.ref, genesis.amount, genesis.seq)
	}
	j.replica.start(head{first.at, first.token})
	if err := j.catchUp(ctx); err != nil {
		return err
	}
	j.replica.setState(wallet.StoreFollowed)
	return nil
}

// read returns up to count events from the id on, that one included.
func (j *Journal) read(ctx context.Context, from string, count int64) ([]*event, error) {
	messages, err := j.client.XRangeN(ctx, stream, from, "+", count).Result()
	if err != nil {
		return nil, err
	}
	return parseAll(messages)
}

// parseAll reads what a stream holds; anything but events means that it is not ours.
func parseAll(messages []redis.XMessage) ([]*event, error) {
	events := make([]*event, len(messages))
	for i, m := range messages {
		e, err := parseEvent(m.ID, m.Values)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrForeign, err)
		}
		events[i] = e
	}
	return events, nil
}

// catchUp confirms that the last applied event is still in the stream and applies all after it.
func (j *Journal) catchUp(ctx context.Context) error {
	for {
		limited, cancel := context.WithTimeout(ctx, commandLimit)
		head := j.replica.at()
		events, err := j.read(limited, head.at.String(), batch)
		cancel()
		if err != nil {
			return err
		}
		var first *event
		if len(events) > 0 && events[0].at == head.at {
			first = events[0]
		}
		if err := j.replica.confirm(first); err != nil {
			return err
		}
		if err := j.applyAll(events); err != nil {
			return err
		}
		if len(events) < batch {
			return nil
		}
	}
}

func (j *Journal) applyAll(events []*event) error {
	for _, e := range events {
		if err := j.replica.apply(e); err != nil {
			return err
		}
	}
	return nil
}

// Follow applies what is appended until the context ends or the store is lost. When the store does
// not answer it tries again by itself, and catches up first.
func (j *Journal) Follow(ctx context.Context) {
	wait := firstRetry
	for ctx.Err() == nil {
		err := j.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrForeign):
			err = j.replica.abandon(err)
			fallthrough
		case errors.Is(err, wallet.ErrStoreLost):
			j.logger.Error("the store has lost writes; restart all instances to go on with what it has", "error", err)
			return
		}
		if j.replica.storeState() == wallet.StoreFollowed {
			j.logger.Warn("the store is gone: reads go on, writes are refused", "error", err)
			wait = firstRetry
		}
		j.replica.setState(wallet.StoreGone)
		if !sleep(ctx, wait) {
			return
		}
		wait = min(2*wait, lastRetry)
	}
}

// follow catches up and then applies events as they come. It returns the error that ended it.
func (j *Journal) follow(ctx context.Context) error {
	for {
		// Also after each quiet second: an emptied stream gives no sign of itself.
		if err := j.catchUp(ctx); err != nil {
			return err
		}
		if j.replica.storeState() == wallet.StoreGone {
			j.logger.Info("the store is back", "as_of", j.replica.at().at.seq)
		}
		j.replica.setState(wallet.StoreFollowed)
		for quiet := false; !quiet; {
			var err error
			if quiet, err = j.wait(ctx); err != nil {
				return err
			}
		}
	}
}

// wait applies the next events; quiet says that none came for a while.
func (j *Journal) wait(ctx context.Context) (quiet bool, err error) {
	limited, cancel := context.WithTimeout(ctx, blockFor+commandLimit)
	defer cancel()
	streams, err := j.client.XRead(limited, &redis.XReadArgs{
		Streams: []string{stream, j.replica.at().at.String()}, Count: batch, Block: blockFor,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for _, s := range streams {
		events, err := parseAll(s.Messages)
		if err == nil {
			err = j.applyAll(events)
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// Close gives the connections back.
func (j *Journal) Close() error { return j.client.Close() }

func sleep(ctx context.Context, length time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(length):
		return true
	}
}
