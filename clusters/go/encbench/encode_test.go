// Package encbench measures JSON encoders on the wallet's largest answers: a balance with 20 lots of
// each kind and statistics over 31 days.
package encbench

import (
	stdjson "encoding/json"
	"testing"

	"github.com/bytedance/sonic"
	goccy "github.com/goccy/go-json"

	"twinload/wallet"
	"twinload/wallet/httpapi"
	"twinload/wallet/wallettest"
)

// The answer of the balance endpoint as structs, which is what the libraries encode.
type (
	purse struct {
		Available uint64 `json:"available"`
		Frozen    uint64 `json:"frozen"`
		Expiring  uint64 `json:"expiring"`
	}
	coinLot struct {
		ID          uint32 `json:"id"`
		Kind        string `json:"kind"`
		Amount      uint32 `json:"amount"`
		Remaining   uint32 `json:"remaining"`
		ExpiresAtMs int64  `json:"expires_at_ms"`
	}
	diamondLot struct {
		ID          uint32 `json:"id"`
		Amount      uint32 `json:"amount"`
		Remaining   uint32 `json:"remaining"`
		ExpiresAtMs int64  `json:"expires_at_ms"`
	}
	hold struct {
		ID      uint32 `json:"id"`
		Amount  uint32 `json:"amount"`
		SinceMs int64  `json:"since_ms"`
	}
	lifetime struct {
		Entries         int    `json:"entries"`
		FirstMs         *int64 `json:"first_ms"`
		LastMs          *int64 `json:"last_ms"`
		Recharged       uint64 `json:"recharged"`
		Bonus           uint64 `json:"bonus"`
		Gifted          uint64 `json:"gifted"`
		Captured        uint64 `json:"captured"`
		Released        uint64 `json:"released"`
		Received        uint64 `json:"received"`
		Withdrawn       uint64 `json:"withdrawn"`
		CoinsExpired    uint64 `json:"coins_expired"`
		DiamondsExpired uint64 `json:"diamonds_expired"`
	}
	answer struct {
		UserID          string       `json:"user_id"`
		Coins           purse        `json:"coins"`
		Diamonds        purse        `json:"diamonds"`
		LotsOpen        int          `json:"lots_open"`
		Lots            []coinLot    `json:"lots"`
		DiamondLotsOpen int          `json:"diamond_lots_open"`
		DiamondLots     []diamondLot `json:"diamond_lots"`
		HoldsOpen       int          `json:"holds_open"`
		Holds           []hold       `json:"holds"`
		Lifetime        lifetime     `json:"lifetime"`
	}
)

// newAnswer has empty lists, since encoders write a nil one as null.
func newAnswer() *answer {
	return &answer{Lots: []coinLot{}, DiamondLots: []diamondLot{}, Holds: []hold{}}
}

// reply builds the structs into the slices of an earlier one, as a pooled handler would.
func reply(a *answer, userID string, b *wallet.Balance) {
	lots, diamonds, holds := a.Lots[:0], a.DiamondLots[:0], a.Holds[:0]
	for _, l := range b.Lots {
		lots = append(lots, coinLot{l.ID, l.Kind.String(), l.Amount, l.Remaining, l.ExpiresAtMs})
	}
	for _, l := range b.DiamondLots {
		diamonds = append(diamonds, diamondLot{l.ID, l.Amount, l.Remaining, l.ExpiresAtMs})
	}
	for _, h := range b.Holds {
		holds = append(holds, hold{h.ID, h.Amount, h.SinceMs})
	}
	*a = answer{
		userID, purse(b.Coins), purse(b.Diamonds), b.LotsOpen, lots, b.DiamondLotsOpen, diamonds, b.HoldsOpen, holds,
		lifetime{
			b.Entries, &b.FirstMs, &b.LastMs, b.Sums[wallet.Recharge], b.Sums[wallet.Bonus], b.Sums[wallet.GiftSent],
			b.Sums[wallet.Capture], b.Sums[wallet.Release], b.Sums[wallet.GiftReceived], b.Sums[wallet.Withdrawal],
			b.CoinsExpired, b.DiamondsExpired,
		},
	}
}

func newBalance(tb testing.TB) *wallet.Balance {
	rows := wallettest.Rows(1, 8000, wallettest.Mixed(8000))
	var b wallet.Balance
	if err := b.Fold(wallet.View{Loaded: rows, Mark: wallet.Mark{TimeMs: rows.TimeMs[7999]}}); err != nil {
		tb.Fatal(err)
	}
	return &b
}

// encoders return the answer's bytes; the libraries as they are set up for speed.
var encoders = []struct {
	name   string
	encode func(*answer) ([]byte, error)
}{
	{"encoding-json", func(a *answer) ([]byte, error) { return stdjson.Marshal(a) }},
	{"goccy", func(a *answer) ([]byte, error) { return goccy.MarshalNoEscape(a) }},
	{"sonic", func(a *answer) ([]byte, error) { return sonic.ConfigFastest.Marshal(a) }},
}

func TestAllEncodersGiveTheSameBytes(t *testing.T) {
	b := newBalance(t)
	want := string(httpapi.AppendBalance(nil, "user-1", b))
	a := newAnswer()
	reply(a, "user-1", b)
	for _, e := range encoders {
		if got, err := e.encode(a); err != nil || string(got) != want {
			t.Errorf("%s gave %v and\n%s\nwant\n%s", e.name, err, got, want)
		}
	}
}

func BenchmarkBalanceAnswer(b *testing.B) {
	balance := newBalance(b)
	b.Run("append", func(b *testing.B) {
		var buffer []byte
		for b.Loop() {
			buffer = httpapi.AppendBalance(buffer[:0], "user-1", balance)
		}
		b.SetBytes(int64(len(buffer)))
		b.ReportAllocs()
	})
	for _, e := range encoders {
		b.Run(e.name, func(b *testing.B) {
			a := newAnswer()
			var text []byte
			for b.Loop() {
				reply(a, "user-1", balance)
				text, _ = e.encode(a)
			}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
		})
	}
}
