package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"twinload/wallet"
)

// startRedis runs a redis-server on a free port until the test ends.
func startRedis(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().(*net.TCPAddr)
	_ = listener.Close()
	server := exec.Command(program, "--port", strconv.Itoa(address.Port), "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	return "redis://" + address.String()
}

// openBank opens a bank over ann, who holds 100 coins, and bob.
func openBank(t *testing.T, url string) *wallet.Bank {
	t.Helper()
	users, err := wallet.NewUsers([]string{"ann", "bob"})
	if err != nil {
		t.Fatal(err)
	}
	rows := wallet.Rows{
		Seq: []uint32{7}, TimeMs: []int64{70}, Kind: []uint8{uint8(wallet.Recharge)}, Amount: []uint32{100},
		Party: []uint32{wallet.NoParty}, Ref: []uint32{24},
	}
	ledger, err := wallet.NewLedger(users, []int64{0, 1, 1}, rows)
	if err != nil {
		t.Fatal(err)
	}
	options, err := Address(url)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	redis.SetLogger(silent{})
	journal, err := Open(ctx, options, ledger, true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		journal.Follow(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-followed
		_ = journal.Close()
	})
	return wallet.NewBank(ledger, journal, func() time.Time { return time.UnixMilli(80) })
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

func TestBanksThatWriteAtOnceUnderReadsAgreeAndOverspendNothing(t *testing.T) {
	url := startRedis(t)
	banks := []*wallet.Bank{openBank(t, url), openBank(t, url), openBank(t, url)}
	var writers, readers sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	stop := make(chan struct{})
	for i, bank := range banks {
		readers.Add(1)
		go func() {
			defer readers.Done()
			var balance wallet.Balance
			for {
				select {
				case <-stop:
					return
				default:
				}
				view := bank.View(0)
				if err := balance.Fold(view); err != nil {
					t.Errorf("a reader saw a broken wallet: %v", err)
					return
				}
			}
		}()
		for w := range 3 {
			writers.Add(1)
			go func() {
				defer writers.Done()
				for n := range 20 {
					outcome, _, err := bank.Gift(request(fmt.Sprintf("%d-%d-%d", i, w, n)), 0, 1, 3, 3)
					for errors.Is(err, wallet.ErrStoreUnavailable) {
						outcome, _, err = bank.Gift(request(fmt.Sprintf("%d-%d-%d", i, w, n)), 0, 1, 3, 3)
					}
					if err != nil {
						t.Errorf("a gift failed: %v", err)
						return
					}
					if !outcome.Refused {
						mu.Lock()
						taken++
						mu.Unlock()
					}
				}
			}()
		}
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if taken != 33 { // 100 coins hold 33 gifts of 3
		t.Errorf("%d gifts were taken; want 33", taken)
	}
	deadline := time.Now().Add(30 * time.Second)
	for _, bank := range banks {
		for bank.AsOf() != 7+2*33 && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		if got := bank.AsOf(); got != 7+2*33 {
			t.Errorf("a bank has come to %d; want %d", got, 7+2*33)
		}
	}
}

func TestTheSameRequestAtAnotherBankIsTheFirstOutcome(t *testing.T) {
	url := startRedis(t)
	one, other := openBank(t, url), openBank(t, url)
	first, _, err := one.Gift(request("k"), 0, 1, 3, 60)
	if err != nil {
		t.Fatal(err)
	}
	// The other has perhaps not seen it yet; its append would not be taken.
	again, _, err := other.Gift(request("k"), 0, 1, 3, 60)
	if err != nil || again != first {
		t.Errorf("the same request gave %+v, %v; want %+v", again, err, first)
	}
	_, _, err = other.Gift(wallet.Request{Key: "k", Digest: [32]byte{2}}, 0, 1, 3, 60)
	if !errors.Is(err, wallet.ErrKeyReused) {
		t.Errorf("another request with the key gave %v", err)
	}
}
