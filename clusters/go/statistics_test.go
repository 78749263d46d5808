package wallet_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"twinload/wallet"
	"twinload/wallet/wallettest"
)

// gift is an entry with a party.
func gift(seq uint32, timeMs int64, kind wallet.Kind, amount, giftID, party uint32) wallet.Entry {
	return wallet.Entry{Seq: seq, TimeMs: timeMs, Kind: kind, Amount: amount, Party: party, Ref: giftID}
}

func users(t testing.TB, ids ...string) *wallet.Users {
	t.Helper()
	u, err := wallet.NewUsers(ids)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// manyUsers returns users u0000, u0001 and so on.
func manyUsers(t testing.TB, n int) *wallet.Users {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("u%04d", i)
	}
	return users(t, ids...)
}

func window(t testing.TB, fromMs, toMs, bucketMs int64) wallet.Window {
	t.Helper()
	w, err := wallet.NewWindow(fromMs, toMs, bucketMs)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestAWindowIsCutIntoAlignedBuckets(t *testing.T) {
	cases := []struct {
		from, to, bucket int64
		first            int64
		buckets          int
		err              error
	}{
		{0, 1, day, 0, 1, nil},
		{0, day, day, 0, 1, nil},
		{0, day + 1, day, 0, 2, nil},
		{day - 1, day + 1, day, 0, 2, nil},
		{5 * hour / 2, 3 * hour, hour, 2 * hour, 1, nil},
		{0, 400 * hour, hour, 0, 400, nil},
		{0, 400*hour + 1, hour, 0, 0, wallet.ErrWindowTooLong},
		{1, 400*hour + 1, hour, 0, 0, wallet.ErrWindowTooLong},
		{5, 5, day, 0, 0, wallet.ErrWindowEmpty},
		{6, 5, day, 0, 0, wallet.ErrWindowEmpty},
	}
	for _, c := range cases {
		w, err := wallet.NewWindow(c.from, c.to, c.bucket)
		if !errors.Is(err, c.err) || w.FirstBucketMs != c.first || w.Buckets != c.buckets {
			t.Errorf("NewWindow(%d, %d, %d) = %+v, %v; want first %d, %d buckets, %v",
				c.from, c.to, c.bucket, w, err, c.first, c.buckets, c.err)
		}
	}
}

func TestStatisticsOfAFewEntriesByHand(t *testing.T) {
	all := users(t, "me", "Zed", "alice", "bob")
	entries := rowsOf(
		e(1, day-1, wallet.Recharge, 999, 24), // before the window
		e(2, day, wallet.Recharge, 100, 24),
		gift(3, day+1, wallet.GiftSent, 10, 7, 2),
		gift(4, 2*day-1, wallet.GiftReceived, 30, 7, 1),
		gift(5, 2*day, wallet.GiftSent, 20, 4, 1),
		gift(6, 3*day-1, wallet.GiftSent, 40, 9, 2),
		gift(7, 3*day, wallet.GiftSent, 5, 9, 3), // at the end, not in it
	)
	var s wallet.Statistics
	s.Sum(wallet.View{Loaded: entries.Slice(0, 4), Written: entries.Slice(4, 7)}, window(t, day, 3*day, day), all)
	for kind, want := range map[wallet.Kind][]wallet.Cell{
		wallet.Recharge:     {{Count: 1, Sum: 100}, {}},
		wallet.GiftSent:     {{Count: 1, Sum: 10}, {Count: 2, Sum: 60}},
		wallet.GiftReceived: {{Count: 1, Sum: 30}, {}},
		wallet.Bonus:        nil,
	} {
		if got := s.Cells(kind); !slices.Equal(got, want) {
			t.Errorf("cells of %v are %v; want %v", kind, got, want)
		}
	}
	if want := []wallet.GiftTotal{{7, 2, 40}, {9, 1, 40}, {4, 1, 20}}; !slices.Equal(s.TopGifts, want) {
		t.Errorf("top gifts %v; want %v", s.TopGifts, want)
	}
	// Both counterparts come to 50; "Zed" stands before "alice" in bytes.
	if want := []wallet.Counterpart{{1, 2, 20, 30}, {2, 2, 50, 0}}; !slices.Equal(s.TopCounterparts, want) {
		t.Errorf("top counterparts %v; want %v", s.TopCounterparts, want)
	}
	// Sorted 10 20 30 40: ranks ceil(2), ceil(3.6), ceil(3.96).
	if want := (wallet.GiftValues{Count: 4, P50: 20, P90: 40, P99: 40}); s.GiftValues != want {
		t.Errorf("gift values %v; want %v", s.GiftValues, want)
	}
	if want := []wallet.GiftValues{{2, 10, 30, 30}, {2, 20, 40, 40}}; !slices.Equal(s.BucketGifts, want) {
		t.Errorf("gift values of the days %v; want %v", s.BucketGifts, want)
	}
}

func TestQuantilesOfABucketByHand(t *testing.T) {
	all := users(t, "me", "you")
	entries := rowsOf(e(1, 0, wallet.Recharge, 1000, 24))
	// Ten values in the second hour, none in the third, one in the fourth, which ends the loaded rows;
	// the written ones go on in it.
	for i, amount := range []uint32{30, 90, 100, 60, 10, 50, 70, 80, 20, 40} {
		entries.Append(gift(uint32(i+2), hour+int64(i), wallet.GiftSent+wallet.Kind(i%2), amount, 1, 1))
	}
	entries.Append(gift(12, 3*hour, wallet.GiftReceived, 9, 1, 1))
	entries.Append(gift(13, 4*hour-1, wallet.GiftSent, 7, 1, 1))
	var s wallet.Statistics
	view := wallet.View{Loaded: entries.Slice(0, 12), Written: entries.Slice(12, 13)}
	s.Sum(view, window(t, 0, 4*hour, hour), all)
	// Ranks of ten values: 5, 9, 10; of two: 1, 2, 2.
	if want := []wallet.GiftValues{{}, {10, 50, 90, 100}, {}, {2, 7, 9, 9}}; !slices.Equal(s.BucketGifts, want) {
		t.Errorf("by hour %v; want %v", s.BucketGifts, want)
	}
	s.Sum(view, window(t, 0, 3*hour, day), all)
	if want := []wallet.GiftValues{{10, 50, 90, 100}}; !slices.Equal(s.BucketGifts, want) {
		t.Errorf("by day %v; want %v", s.BucketGifts, want)
	}
}

func TestStatisticsLeaveNothingBehindForTheNextRequest(t *testing.T) {
	all := manyUsers(t, 2000)
	rows := wallettest.Rows(3, 2000, wallettest.Mixed(2000))
	var s wallet.Statistics
	s.Sum(wallet.View{Loaded: rows}, window(t, wallettest.StartMs, wallettest.StartMs+180*day, day), all)
	s.Sum(wallet.View{Loaded: rows}, window(t, 0, 1, day), all)
	if s.GiftValues.Count != 0 || !slices.Equal(s.BucketGifts, []wallet.GiftValues{{}}) || len(s.TopGifts) != 0 || len(s.TopCounterparts) != 0 || s.Cells(wallet.Recharge) != nil {
		t.Errorf("an empty window answers %v, %v, %v, %v", s.GiftValues, s.BucketGifts, s.TopGifts, s.TopCounterparts)
	}
}

func TestStatisticsAgreeWithAPlainReading(t *testing.T) {
	all := manyUsers(t, 2000)
	var s wallet.Statistics // reused, as the service does
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 3))
		n := rng.IntN(3000)
		rows := wallettest.Rows(seed, n, wallettest.Host(3000))
		from := wallettest.StartMs + rng.Int64N(60*day)
		w := window(t, from, from+1+rng.Int64N(200*day), day)
		if seed%3 == 0 {
			w = window(t, from, from+1+rng.Int64N(399*hour), hour)
		}
		t.Run(fmt.Sprintf("seed %d with %d entries", seed, n), func(t *testing.T) {
			cut := rng.IntN(n + 1)
			s.Sum(wallet.View{Loaded: rows.Slice(0, cut), Written: rows.Slice(cut, n)}, w, all)
			comparePlain(t, &s, rows, w, all)
		})
	}
}

// comparePlain reads the rows with maps and a full sort.
func comparePlain(t *testing.T, s *wallet.Statistics, rows wallet.Rows, w wallet.Window, all *wallet.Users) {
	t.Helper()
	gifts, parties := map[uint32]wallet.GiftTotal{}, map[uint32]wallet.Counterpart{}
	cells := map[wallet.Kind][]wallet.Cell{}
	values := make([][]uint32, w.Buckets)
	for i := range rows.Len() {
		e := rows.At(i)
		if e.TimeMs < w.FromMs || e.TimeMs >= w.ToMs {
			continue
		}
		if cells[e.Kind] == nil {
			cells[e.Kind] = make([]wallet.Cell, w.Buckets)
		}
		bucket := (e.TimeMs - w.FirstBucketMs) / w.BucketMs
		cell := &cells[e.Kind][bucket]
		cell.Count, cell.Sum = cell.Count+1, cell.Sum+uint64(e.Amount)
		if !e.Kind.IsGift() {
			continue
		}
		values[bucket] = append(values[bucket], e.Amount)
		g, p := gifts[e.Ref], parties[e.Party]
		g.GiftID, g.Count, g.Sum = e.Ref, g.Count+1, g.Sum+uint64(e.Amount)
		p.User, p.Count = e.Party, p.Count+1
		if e.Kind == wallet.GiftSent {
			p.Sent += uint64(e.Amount)
		} else {
			p.Received += uint64(e.Amount)
		}
		gifts[e.Ref], parties[e.Party] = g, p
	}
	for kind := wallet.Recharge; kind <= wallet.Bonus; kind++ {
		if !slices.Equal(s.Cells(kind), cells[kind]) {
			t.Errorf("cells of %v differ", kind)
		}
	}
	wantGifts := firstTen(gifts, func(a, b wallet.GiftTotal) int {
		return cmp.Or(cmp.Compare(b.Sum, a.Sum), cmp.Compare(a.GiftID, b.GiftID))
	})
	wantParties := firstTen(parties, func(a, b wallet.Counterpart) int {
		return cmp.Or(cmp.Compare(b.Sent+b.Received, a.Sent+a.Received), cmp.Compare(all.ID(a.User), all.ID(b.User)))
	})
	if !slices.Equal(s.TopGifts, wantGifts) || !slices.Equal(s.TopCounterparts, wantParties) {
		t.Errorf("top lists differ:\n%v\n%v\n%v\n%v", s.TopGifts, wantGifts, s.TopCounterparts, wantParties)
	}
	if want := plainGiftValues(slices.Concat(values...)); s.GiftValues != want {
		t.Errorf("gift values %v; want %v", s.GiftValues, want)
	}
	for bucket, got := range s.BucketGifts {
		if want := plainGiftValues(values[bucket]); got != want {
			t.Errorf("gift values of bucket %d are %v; want %v", bucket, got, want)
		}
	}
	if len(s.BucketGifts) != w.Buckets {
		t.Errorf("gift values of %d buckets; want %d", len(s.BucketGifts), w.Buckets)
	}
}

// plainGiftValues finds each quantile by its definition: the least value that Q of 100 do not exceed.
func plainGiftValues(values []uint32) wallet.GiftValues {
	slices.Sort(values)
	least := func(percent int) uint32 {
		for i, value := range values {
			if (i+1)*100 >= percent*len(values) {
				return value
			}
		}
		return 0
	}
	return wallet.GiftValues{Count: len(values), P50: least(50), P90: least(90), P99: least(99)}
}

func firstTen[V any](totals map[uint32]V, order func(a, b V) int) []V {
	var list []V
	for _, v := range totals {
		list = append(list, v)
	}
	slices.SortFunc(list, order)
	return list[:min(10, len(list))]
}
