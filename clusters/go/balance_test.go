package wallet_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"twinload/wallet"
	"twinload/wallet/wallettest"
)

const (
	hour = wallet.HourMs
	day  = wallet.DayMs
)

// e is an entry without a party.
func e(seq uint32, timeMs int64, kind wallet.Kind, amount, ref uint32) wallet.Entry {
	return wallet.Entry{Seq: seq, TimeMs: timeMs, Kind: kind, Amount: amount, Party: wallet.NoParty, Ref: ref}
}

func rowsOf(entries ...wallet.Entry) (rows wallet.Rows) {
	for _, entry := range entries {
		rows.Append(entry)
	}
	return rows
}

// public prints the exported part of a balance.
func public(b *wallet.Balance) string {
	return fmt.Sprintf("%+v", []any{
		b.Coins, b.Diamonds, b.CoinsExpired, b.DiamondsExpired, b.Lots, b.LotsOpen, b.DiamondLots,
		b.DiamondLotsOpen, b.Holds, b.HoldsOpen, b.Sums, b.Entries, b.FirstMs, b.LastMs,
	})
}

func fold(t *testing.T, nowMs int64, entries ...wallet.Entry) *wallet.Balance {
	t.Helper()
	var b wallet.Balance
	if err := b.Fold(wallet.View{Loaded: rowsOf(entries...), Mark: wallet.Mark{TimeMs: nowMs}}); err != nil {
		t.Fatalf("Fold: %v", err)
	}
	return &b
}

// lots prints lots as id:remaining.
func lots(list []wallet.Lot) (text string) {
	for _, l := range list {
		text += fmt.Sprintf("%d:%d ", l.ID, l.Remaining)
	}
	return text
}

func TestCoinsAreTakenFirstExpiringFirst(t *testing.T) {
	cases := []struct {
		name      string
		nowMs     int64
		entries   []wallet.Entry
		available uint64
		lots      string
		expired   uint64
	}{
		{"nothing", 0, nil, 0, "", 0},
		{"the lot that expires first", 1, []wallet.Entry{
			e(1, 0, wallet.Recharge, 100, 48), e(2, 0, wallet.Bonus, 50, 24), e(3, 1, wallet.GiftSent, 60, 1),
		}, 90, "1:90 ", 0},
		{"the lower id at one expiry", 1, []wallet.Entry{
			e(1, 0, wallet.Recharge, 10, 24), e(2, 0, wallet.Recharge, 10, 24), e(3, 1, wallet.GiftSent, 12, 1),
		}, 8, "2:8 ", 0},
		{"not an expired lot, at its last millisecond still", 24*hour - 1, []wallet.Entry{
			e(1, 0, wallet.Recharge, 10, 24), e(2, 24*hour-1, wallet.GiftSent, 4, 1),
		}, 6, "1:6 ", 0},
		{"from the next lot once the first expired", 24 * hour, []wallet.Entry{
			e(1, 0, wallet.Recharge, 10, 24), e(2, 0, wallet.Recharge, 10, 25), e(3, 24*hour, wallet.GiftSent, 4, 1),
		}, 6, "2:6 ", 10},
		{"expiry at now", 24 * hour, []wallet.Entry{e(1, 0, wallet.Recharge, 10, 24)}, 0, "", 10},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := fold(t, c.nowMs, c.entries...)
			if b.Coins.Available != c.available || lots(b.Lots) != c.lots || b.CoinsExpired != c.expired {
				t.Errorf("available %d, lots %s, expired %d; want %d, %s, %d",
					b.Coins.Available, lots(b.Lots), b.CoinsExpired, c.available, c.lots, c.expired)
			}
		})
	}
}

func TestHoldsFreezeAndReturnTheirPortions(t *testing.T) {
	start := []wallet.Entry{
		e(1, 0, wallet.Recharge, 10, 24), e(2, 0, wallet.Recharge, 10, 48), e(3, 1, wallet.Hold, 15, 3),
	}
	cases := []struct {
		name                       string
		nowMs                      int64
		then                       []wallet.Entry
		available, frozen, expired uint64
		lots                       string
	}{
		{"an open hold is frozen", 2, nil, 5, 15, 0, "2:5 "},
		{"a captured hold is gone", 2, []wallet.Entry{e(4, 2, wallet.Capture, 15, 3)}, 5, 0, 0, "2:5 "},
		{"a released hold is back in its lots", 2, []wallet.Entry{e(4, 2, wallet.Release, 15, 3)}, 20, 0, 0, "1:10 2:10 "},
		{"a released lot is taken first again", 3, []wallet.Entry{
			e(4, 2, wallet.Release, 15, 3), e(5, 3, wallet.GiftSent, 3, 1),
		}, 17, 0, 0, "1:7 2:10 "},
		{"a portion of an expired lot expires", 24 * hour, []wallet.Entry{
			e(4, 24*hour, wallet.Release, 15, 3),
		}, 10, 0, 10, "2:10 "},
		{"an open hold stays frozen beyond its lots", 48 * hour, nil, 0, 15, 5, ""},
		{"a captured hold does not expire", 48 * hour, []wallet.Entry{e(4, 47*hour, wallet.Capture, 15, 3)}, 0, 0, 5, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := fold(t, c.nowMs, append(start[:3:3], c.then...)...)
			if b.Coins.Available != c.available || b.Coins.Frozen != c.frozen || b.CoinsExpired != c.expired || lots(b.Lots) != c.lots {
				t.Errorf("coins %+v, expired %d, lots %s; want %d available, %d frozen, %d expired, %s",
					b.Coins, b.CoinsExpired, lots(b.Lots), c.available, c.frozen, c.expired, c.lots)
			}
		})
	}
}

func TestDiamondsFreezeForSevenDaysAndExpireByGift(t *testing.T) {
	received := []wallet.Entry{e(1, 0, wallet.GiftReceived, 10, 5), e(2, 0, wallet.GiftReceived, 20, 8)} // 60 and 30 days
	cases := []struct {
		name                       string
		nowMs                      int64
		then                       []wallet.Entry
		available, frozen, expired uint64
		lots                       string
	}{
		{"frozen to the last millisecond", 7*day - 1, nil, 0, 30, 0, ""},
		{"available at seven days", 7 * day, nil, 30, 0, 0, "2:20 1:10 "},
		{"a withdrawal takes the first to expire", 7 * day, []wallet.Entry{e(3, 7*day, wallet.Withdrawal, 25, 0)}, 5, 0, 0, "1:5 "},
		{"thirty days end the first", 30 * day, nil, 10, 0, 20, "1:10 "},
		{"a withdrawal passes over an expired lot", 30 * day, []wallet.Entry{e(3, 30*day, wallet.Withdrawal, 4, 0)}, 6, 0, 20, "1:6 "},
		{"sixty days end both", 60 * day, nil, 0, 0, 30, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := fold(t, c.nowMs, append(received[:2:2], c.then...)...)
			if b.Diamonds.Available != c.available || b.Diamonds.Frozen != c.frozen || b.DiamondsExpired != c.expired || lots(b.DiamondLots) != c.lots {
				t.Errorf("diamonds %+v, expired %d, lots %s; want %d available, %d frozen, %d expired, %s",
					b.Diamonds, b.DiamondsExpired, lots(b.DiamondLots), c.available, c.frozen, c.expired, c.lots)
			}
		})
	}
}

func TestExpiringCountsLotsWithinSevenDays(t *testing.T) {
	b := fold(t, 0, e(1, 0, wallet.Recharge, 1, 7*24), e(2, 0, wallet.Recharge, 2, 7*24+1))
	if b.Coins.Expiring != 1 || b.Coins.Available != 3 {
		t.Errorf("coins %+v; want 1 of 3 expiring", b.Coins)
	}
	b = fold(t, 23*day, e(1, 0, wallet.GiftReceived, 1, 4), e(2, 1, wallet.GiftReceived, 2, 4))
	if b.Diamonds.Expiring != 1 || b.Diamonds.Available != 3 {
		t.Errorf("diamonds %+v; want 1 of 3 expiring", b.Diamonds)
	}
}

func TestTheFirstTwentyLotsAreListedAndAllAreCounted(t *testing.T) {
	var entries []wallet.Entry
	for i := range uint32(30) {
		entries = append(entries, e(i+1, 0, wallet.Recharge, 1, 100-i)) // the last expires first
	}
	b := fold(t, 0, entries...)
	if len(b.Lots) != 20 || b.LotsOpen != 30 || b.Lots[0].ID != 30 || b.Lots[19].ID != 11 {
		t.Errorf("%d lots listed of %d: %s; want 20 of 30, ids 30 to 11", len(b.Lots), b.LotsOpen, lots(b.Lots))
	}
}

func TestALedgerThatBreaksItsRulesIsCorrupt(t *testing.T) {
	recharge := e(1, 0, wallet.Recharge, 10, 24)
	cases := map[string][]wallet.Entry{
		"more spent than there":           {recharge, e(2, 1, wallet.GiftSent, 11, 1)},
		"spent after expiry":              {recharge, e(2, 24*hour, wallet.GiftSent, 1, 1)},
		"more held than there":            {recharge, e(2, 1, wallet.Hold, 11, 2)},
		"withdrawn while frozen":          {e(1, 0, wallet.GiftReceived, 5, 1), e(2, 1, wallet.Withdrawal, 5, 0)},
		"an unknown hold captured":        {recharge, e(2, 1, wallet.Capture, 1, 9)},
		"a hold released twice":           {recharge, e(2, 1, wallet.Hold, 5, 2), e(3, 2, wallet.Release, 5, 2), e(4, 3, wallet.Release, 5, 2)},
		"a hold captured for another sum": {recharge, e(2, 1, wallet.Hold, 5, 2), e(3, 2, wallet.Capture, 4, 2)},
		"an unknown kind":                 {e(1, 0, 9, 1, 0)},
	}
	for name, entries := range cases {
		t.Run(name, func(t *testing.T) {
			var b wallet.Balance
			if err := b.Fold(wallet.View{Loaded: rowsOf(entries...)}); err != wallet.ErrCorrupt {
				t.Errorf("Fold gave %v; want ErrCorrupt", err)
			}
		})
	}
}

// checkAgainstNaive folds the rows, cut into a loaded and a written part, and compares the balance.
func checkAgainstNaive(t *testing.T, b *wallet.Balance, rows wallet.Rows, cut int, nowMs int64) {
	t.Helper()
	var naive wallettest.Naive
	obeys := true
	for i := range rows.Len() {
		if obeys = naive.Apply(rows.At(i)); !obeys {
			break
		}
	}
	view := wallet.View{Loaded: rows.Slice(0, cut), Written: rows.Slice(cut, rows.Len()), Mark: wallet.Mark{TimeMs: nowMs}}
	err := b.Fold(view)
	if (err == nil) != obeys {
		t.Fatalf("Fold gave %v; the naive wallet says the entries obey the rules: %v", err, obeys)
	}
	if !obeys {
		return
	}
	if got, want := public(b), public(naive.Balance(nowMs)); got != want {
		t.Fatalf("Fold gave\n%s\nthe naive wallet\n%s", got, want)
	}
}

func TestTheFoldAgreesWithTheNaiveWallet(t *testing.T) {
	var reused wallet.Balance // as the service reuses it
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 2))
		n := rng.IntN(400)
		habits := wallettest.Mixed(400)
		if seed%2 == 1 {
			habits = wallettest.Host(400)
		}
		rows := wallettest.Rows(seed, n, habits)
		nowMs := wallettest.StartMs
		if n > 0 {
			nowMs = rows.TimeMs[n-1] + rng.Int64N(40*day)
		}
		t.Run(fmt.Sprintf("seed %d with %d entries", seed, n), func(t *testing.T) {
			checkAgainstNaive(t, &reused, rows, rng.IntN(n+1), nowMs)
		})
	}
}

// FuzzFold reads four bytes as an entry, so that most ledgers break the rules somewhere, and small
// amounts, few validities and long steps meet at the edges.
func FuzzFold(f *testing.F) {
	f.Add([]byte{0, 200, 9, 1, 4, 40, 1, 0, 5, 1, 1, 2}, uint8(3))
	f.Add([]byte{2, 50, 100, 1, 2, 50, 0, 4, 3, 60, 90, 0}, uint8(20))
	f.Fuzz(func(t *testing.T, data []byte, days uint8) {
		var rows wallet.Rows
		at := wallet.Entry{}
		for ; len(data) >= 4 && rows.Len() < 64; data = data[4:] {
			at.Seq++
			at.TimeMs += int64(data[2]) * 6 * hour
			at.Kind, at.Amount, at.Ref, at.Party = wallet.Kind(1+data[0]%8), 1+uint32(data[1]), uint32(data[3]), 0
			switch at.Kind {
			case wallet.Recharge, wallet.Bonus:
				at.Ref *= 12
			case wallet.Capture, wallet.Release:
				at.Amount = holdAmount(rows, at.Ref, at.Amount)
			case wallet.Hold:
				at.Ref = at.Seq
			}
			rows.Append(at)
		}
		var b wallet.Balance
		checkAgainstNaive(t, &b, rows, rows.Len()/2, at.TimeMs+int64(days)*day)
	})
}

// holdAmount returns the amount of the hold, or the fallback when there is no such hold.
func holdAmount(rows wallet.Rows, id, fallback uint32) uint32 {
	for i := range rows.Len() {
		if e := rows.At(i); e.Kind == wallet.Hold && e.Seq == id {
			return e.Amount
		}
	}
	return fallback
}
