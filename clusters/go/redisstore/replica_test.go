package redisstore

import (
	"errors"
	"testing"

	"twinload/wallet"
)

func newReplica(t *testing.T) *replica {
	t.Helper()
	users, err := wallet.NewUsers([]string{"ann", "bob"})
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{users: users, written: wallet.NewWritten(wallet.Mark{Seq: 7, TimeMs: 70}), outcomes: map[string]outcome{}}
	r.start(head{position{7, 1}, "genesis"})
	return r
}

func request(key string) wallet.Request { return wallet.Request{Key: key, Digest: [32]byte{1}} }

// given is what a decision on a gift of ann to bob would append after the mark.
func given(mark wallet.Mark) []wallet.Posting {
	sent := wallet.Entry{Seq: mark.Seq + 1, TimeMs: mark.TimeMs + 1, Kind: wallet.GiftSent, Amount: 5, Party: 1, Ref: 3}
	received := sent
	received.Seq, received.Kind, received.Party = sent.Seq+1, wallet.GiftReceived, 0
	return []wallet.Posting{{User: 0, Entry: sent}, {User: 1, Entry: received}}
}

// next is the event of a decision on the state of the moment.
func next(r *replica, key string, decide func(wallet.Mark) []wallet.Posting) *event {
	now := r.look(key, 0)
	return newEvent(now.head, now.mark, request(key), decide(now.mark), r.users)
}

func refuse(wallet.Mark) []wallet.Posting { return nil }

func TestAnEventComesBackFromItsFields(t *testing.T) {
	r := newReplica(t)
	lot := func(kind wallet.Kind) func(wallet.Mark) []wallet.Posting {
		return func(mark wallet.Mark) []wallet.Posting {
			e := wallet.Entry{Seq: mark.Seq + 1, TimeMs: mark.TimeMs, Kind: kind, Amount: 9, Party: wallet.NoParty}
			if kind == wallet.Recharge {
				e.Ref = 24
			}
			return []wallet.Posting{{User: 1, Entry: e}}
		}
	}
	for name, decide := range map[string]func(wallet.Mark) []wallet.Posting{
		"gift": given, "refused": refuse, "recharge": lot(wallet.Recharge), "withdrawal": lot(wallet.Withdrawal),
	} {
		t.Run(name, func(t *testing.T) {
			e := next(r, "k", decide)
			fields, values := e.fields(), map[string]any{}
			for i := 0; i < len(fields); i += 2 {
				values[fields[i].(string)] = fields[i+1]
			}
			found, err := parseEvent(e.at.String(), values)
			if err != nil || *found != *e {
				t.Fatalf("%+v came back as %+v, %v", e, found, err)
			}
			postings, err := found.postings(r.users)
			want := decide(wallet.Mark{Seq: 7, TimeMs: 70})
			if err != nil || len(postings) != len(want) {
				t.Fatalf("postings %+v, %v; want %+v", postings, err, want)
			}
			for i := range want {
				if postings[i] != want[i] {
					t.Errorf("posting %d is %+v; want %+v", i, postings[i], want[i])
				}
			}
		})
	}
}

func TestAnEventIsAppliedOnce(t *testing.T) {
	r := newReplica(t)
	first := next(r, "a", given)
	for range 2 {
		if err := r.apply(first); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.apply(next(r, "b", refuse)); err != nil {
		t.Fatal(err)
	}
	rows, mark := r.written.View(0)
	if rows.Len() != 1 || mark != (wallet.Mark{Seq: 9, TimeMs: 71}) || r.at().at != (position{9, 2}) {
		t.Errorf("%d rows, mark %+v, head %+v; want 1 row, seq 9 and position 9-2", rows.Len(), mark, r.at())
	}
	if got := r.look("a", 0).first.Outcome; got != (wallet.Outcome{Seq: 8, TimeMs: 71, Mark: mark}) {
		t.Errorf("the outcome is %+v", got)
	}
	if got := r.look("b", 0).first.Outcome; !got.Refused {
		t.Errorf("the outcome is %+v; want refused", got)
	}
}

func TestAStreamThatIsNotTheOneFollowedIsLostForGood(t *testing.T) {
	cases := map[string]func(*event){
		"another event before":   func(e *event) { e.after = "other" },
		"a seq left out":         func(e *event) { e.seq++; e.at.seq++ },
		"a position that lies":   func(e *event) { e.at.seq++ },
		"time that runs back":    func(e *event) { e.timeMs = 69 },
		"an unknown user":        func(e *event) { e.user = "eve" },
		"a gift to oneself":      func(e *event) { e.party = e.user },
		"nothing given":          func(e *event) { e.amount = 0 },
		"an unknown operation":   func(e *event) { e.op = "hold" },
		"a genesis in between":   func(e *event) { e.op = opGenesis },
		"a refusal with a seq":   func(e *event) { e.op = opRefused },
		"the same position anew": func(e *event) { e.at = position{7, 1} },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			r := newReplica(t)
			good, bad := next(r, "a", given), next(r, "a", given)
			change(bad)
			if err := r.apply(bad); !errors.Is(err, wallet.ErrStoreLost) {
				t.Fatalf("apply gave %v; want lost", err)
			}
			r.setState(wallet.StoreFollowed)
			if err := r.apply(good); !errors.Is(err, wallet.ErrStoreLost) || r.storeState() != wallet.StoreLost {
				t.Errorf("a good event gave %v after that; want lost", err)
			}
			if rows, mark := r.written.View(0); rows.Len() != 0 || mark.Seq != 7 {
				t.Errorf("%d rows and mark %+v were applied", rows.Len(), mark)
			}
		})
	}
}

func TestWhatIsNoEventIsToldByItsField(t *testing.T) {
	r := newReplica(t)
	for _, name := range []string{"token", "after", "op", "key", "digest", "seq", "time_ms", "user", "party", "amount", "ref"} {
		fields, values := next(r, "k", given).fields(), map[string]any{}
		for i := 0; i < len(fields); i += 2 {
			if fields[i] != name {
				values[fields[i].(string)] = fields[i+1]
			}
		}
		if _, err := parseEvent("9-1", values); err == nil || err.Error() != "event 9-1 has no usable "+name {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if _, err := parseEvent("9", map[string]any{}); err == nil {
		t.Error("an event without a position was taken")
	}
}
