package wallet_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"twinload/wallet"
	"twinload/wallet/memory"
)

// newBank has the users a, b and c; a holds 100 coins that expire a day after 0. The clock stands.
func newBank(t *testing.T, nowMs int64) *wallet.Bank {
	t.Helper()
	ledger, err := wallet.NewLedger(users(t, "a", "b", "c"), []int64{0, 1, 1, 1}, rowsOf(e(10, 0, wallet.Recharge, 100, 24)))
	if err != nil {
		t.Fatal(err)
	}
	return wallet.NewBank(ledger, memory.NewJournal(ledger.Mark()), func() time.Time { return time.UnixMilli(nowMs) })
}

func key(name string) wallet.Request { return wallet.Request{Key: name, Digest: [32]byte{1}} }

func balanceOf(t *testing.T, bank *wallet.Bank, user uint32) *wallet.Balance {
	t.Helper()
	var b wallet.Balance
	if err := b.Fold(bank.View(user)); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestAGiftMovesBothWalletsAndTheMark(t *testing.T) {
	bank := newBank(t, 5)
	outcome, replayed, err := bank.Gift(key("k"), 0, 1, 3, 40)
	want := wallet.Outcome{Seq: 11, TimeMs: 5, Mark: wallet.Mark{Seq: 12, TimeMs: 5}}
	if err != nil || replayed || outcome != want {
		t.Fatalf("Gift gave %+v, %v, %v; want %+v", outcome, replayed, err, want)
	}
	if coins := balanceOf(t, bank, 0).Coins.Available; coins != 60 {
		t.Errorf("the sender has %d coins; want 60", coins)
	}
	if frozen := balanceOf(t, bank, 1).Diamonds.Frozen; frozen != 40 {
		t.Errorf("the receiver has %d frozen diamonds; want 40", frozen)
	}
	if mark := bank.View(2).Mark; mark != want.Mark {
		t.Errorf("a third user's mark is %+v; want %+v", mark, want.Mark)
	}
}

func TestAGiftBeyondTheUsableCoinsIsRefusedAndWritesNothing(t *testing.T) {
	for name, nowMs := range map[string]int64{"too much": 5, "expired at the write's time": 24 * hour} {
		t.Run(name, func(t *testing.T) {
			bank, coins := newBank(t, nowMs), uint32(101)
			if nowMs >= 24*hour {
				coins = 1
			}
			outcome, _, err := bank.Gift(key("k"), 0, 1, 3, coins)
			if err != nil || !outcome.Refused {
				t.Fatalf("Gift gave %+v, %v; want refused", outcome, err)
			}
			if n := bank.View(0).Len() + bank.View(1).Len(); n != 1 || bank.View(0).Mark.Seq != 10 {
				t.Errorf("%d entries and mark %+v; want 1 entry and seq 10", n, bank.View(0).Mark)
			}
		})
	}
}

func TestOnlyThawedDiamondsCanBeWithdrawn(t *testing.T) {
	nowMs := int64(5)
	ledger, err := wallet.NewLedger(users(t, "a"), []int64{0, 1}, rowsOf(e(1, 0, wallet.Recharge, 100, 24)))
	if err != nil {
		t.Fatal(err)
	}
	received := rowsOf(gift(1, 0, wallet.GiftReceived, 50, 1, 0))
	ledger, err = wallet.NewLedger(ledger.Users(), []int64{0, 1}, received)
	if err != nil {
		t.Fatal(err)
	}
	bank := wallet.NewBank(ledger, memory.NewJournal(ledger.Mark()), func() time.Time { return time.UnixMilli(nowMs) })
	if outcome, _, _ := bank.Withdraw(key("early"), 0, 50); !outcome.Refused {
		t.Error("frozen diamonds were withdrawn")
	}
	nowMs = 7 * day
	if outcome, _, err := bank.Withdraw(key("thawed"), 0, 50); err != nil || outcome.Refused || outcome.Seq != 2 {
		t.Errorf("Withdraw gave %+v, %v; want seq 2", outcome, err)
	}
}

func TestAWriteIsNeverEarlierThanTheLedger(t *testing.T) {
	bank := newBank(t, -1000) // the wall clock stands before the ledger's now
	outcome, _, err := bank.Recharge(key("k"), 1, 5, 1)
	if err != nil || outcome.TimeMs != 0 {
		t.Errorf("Recharge gave %+v, %v; want the ledger's time 0", outcome, err)
	}
}

func TestARepeatedRequestGetsItsFirstOutcome(t *testing.T) {
	bank := newBank(t, 5)
	first, _, _ := bank.Gift(key("k"), 0, 1, 3, 40)
	again, replayed, err := bank.Gift(key("k"), 0, 1, 3, 40)
	if err != nil || !replayed || again != first {
		t.Errorf("the repetition gave %+v, %v, %v; want %+v replayed", again, replayed, err, first)
	}
	if coins := balanceOf(t, bank, 0).Coins.Available; coins != 60 {
		t.Errorf("the sender has %d coins after a repeated gift; want 60", coins)
	}
	other := wallet.Request{Key: "k", Digest: [32]byte{2}}
	if _, _, err := bank.Gift(other, 0, 1, 3, 41); !errors.Is(err, wallet.ErrKeyReused) {
		t.Errorf("the key with another request gave %v; want ErrKeyReused", err)
	}
}

func TestARefusalIsRepeatedEvenWhenTheFundsHaveCome(t *testing.T) {
	bank := newBank(t, 5)
	_, _, _ = bank.Gift(key("k"), 0, 1, 3, 101)
	_, _, _ = bank.Recharge(key("r"), 0, 1000, 1)
	if outcome, replayed, _ := bank.Gift(key("k"), 0, 1, 3, 101); !replayed || !outcome.Refused {
		t.Errorf("the repetition gave %+v, replayed %v; want the refusal", outcome, replayed)
	}
}

func TestWritesAtOnceNeverSpendMoreThanThereIs(t *testing.T) {
	bank := newBank(t, 5)
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for i := range 30 {
				_, _, err := bank.Gift(key(fmt.Sprintf("k%d-%d", w, i)), 0, uint32(1+w%2), 3, 1)
				if err != nil {
					t.Error(err)
				}
				view := bank.View(0)
				var b wallet.Balance
				if err := b.Fold(view); err != nil || b.Coins.Available+b.Sums[wallet.GiftSent] != 100 {
					t.Errorf("a reader sees %d coins and %d given, %v; want 100 in all", b.Coins.Available, b.Sums[wallet.GiftSent], err)
				}
			}
		}()
	}
	writers.Wait()
	given := balanceOf(t, bank, 0).Sums[wallet.GiftSent]
	received := balanceOf(t, bank, 1).Sums[wallet.GiftReceived] + balanceOf(t, bank, 2).Sums[wallet.GiftReceived]
	if given != 100 || received != 100 || bank.View(0).Mark.Seq != 210 {
		t.Errorf("given %d, received %d, mark %+v; want 100, 100, seq 210", given, received, bank.View(0).Mark)
	}
}
