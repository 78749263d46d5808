package wallet_test

import (
	"strings"
	"testing"

	"twinload/wallet"
	"twinload/wallet/wallettest"
)

func TestTheMarkIsTheHighestSeqWithItsTime(t *testing.T) {
	rows := rowsOf(e(5, 50, wallet.Recharge, 1, 1), e(9, 90, wallet.Recharge, 1, 1), e(7, 70, wallet.Recharge, 1, 1))
	ledger, err := wallet.NewLedger(users(t, "a", "b", "c"), []int64{0, 2, 2, 3}, rows)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := ledger.Mark(), (wallet.Mark{Seq: 9, TimeMs: 90}); got != want {
		t.Errorf("mark %+v; want %+v", got, want)
	}
	if n := ledger.Rows(1).Len(); n != 0 {
		t.Errorf("the second user has %d entries; want none", n)
	}
}

func TestAnEmptyLedgerHasAZeroMark(t *testing.T) {
	ledger, err := wallet.NewLedger(users(t, "a"), []int64{0, 0}, wallet.Rows{})
	if err != nil || ledger.Mark() != (wallet.Mark{}) {
		t.Errorf("mark %+v, %v; want zero", ledger.Mark(), err)
	}
}

func TestAMisshapenLedgerIsRefusedWithItsPlace(t *testing.T) {
	good := func() wallet.Rows { return rowsOf(e(1, 10, wallet.Recharge, 1, 1), e(2, 20, wallet.Recharge, 1, 1)) }
	cases := map[string]struct {
		offsets []int64
		change  func(*wallet.Rows)
		want    string
	}{
		"too few offsets":      {[]int64{0, 2}, nil, "offsets has 2 values for 2 users"},
		"offsets short of end": {[]int64{0, 1, 1}, nil, "must run from 0 to the 2 entries"},
		"offsets fall":         {[]int64{0, 3, 2}, nil, "offsets[1] is 3"},
		"short column":         {[]int64{0, 2, 2}, func(r *wallet.Rows) { r.Ref = r.Ref[:1] }, "ref has 1 values, seq has 2"},
		"seq repeats":          {[]int64{0, 2, 2}, func(r *wallet.Rows) { r.Seq[1] = 1 }, "entry 1 of user 0"},
		"seq zero":             {[]int64{0, 2, 2}, func(r *wallet.Rows) { r.Seq[0] = 0 }, "seq must be above 0"},
		"time falls":           {[]int64{0, 2, 2}, func(r *wallet.Rows) { r.TimeMs[1] = 9 }, "time_ms must not fall"},
		"kind unknown":         {[]int64{0, 2, 2}, func(r *wallet.Rows) { r.Kind[0] = 9 }, "kind must be 1 to 8"},
		"amount zero":          {[]int64{0, 2, 2}, func(r *wallet.Rows) { r.Amount[0] = 0 }, "amount must be above 0"},
		"party beyond users":   {[]int64{0, 2, 2}, func(r *wallet.Rows) { r.Party[0] = 2 }, "party must be a user's index"},
		"gift without party":   {[]int64{0, 2, 2}, func(r *wallet.Rows) { r.Kind[0] = 2 }, "party must be a user's index"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			rows := good()
			if c.change != nil {
				c.change(&rows)
			}
			_, err := wallet.NewLedger(users(t, "a", "b"), c.offsets, rows)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("NewLedger gave %v; want %q in it", err, c.want)
			}
		})
	}
}

func TestUserIDsAreCheckedAndUnique(t *testing.T) {
	for _, ids := range [][]string{{""}, {"a b"}, {"é"}, {strings.Repeat("x", 65)}, {"a", "b", "a"}} {
		if _, err := wallet.NewUsers(ids); err == nil {
			t.Errorf("NewUsers(%q) gave no error", ids)
		}
	}
	all := users(t, "A", "a", "_-9", strings.Repeat("x", 64))
	if i, ok := all.Find("a"); !ok || i != 1 {
		t.Errorf("Find(a) = %d, %v; want 1", i, ok)
	}
}

func TestAPageIsNewestFirstBelowTheCursor(t *testing.T) {
	rows := rowsOf(e(2, 1, wallet.Recharge, 1, 1), e(4, 2, wallet.Recharge, 1, 1), e(6, 3, wallet.Recharge, 1, 1))
	view := wallet.View{Loaded: rows.Slice(0, 2), Written: rows.Slice(2, 3)}
	cases := []struct {
		before uint64
		limit  int
		want   []uint32
		older  bool
	}{
		{1 << 40, 20, []uint32{6, 4, 2}, false},
		{1 << 40, 2, []uint32{6, 4}, true},
		{6, 1, []uint32{4}, true},
		{5, 1, []uint32{4}, true},
		{3, 5, []uint32{2}, false},
		{2, 5, nil, false},
		{0, 5, nil, false},
	}
	var page wallet.Page
	for _, c := range cases {
		page.Read(view, c.before, c.limit)
		var got []uint32
		for _, entry := range page.Entries {
			got = append(got, entry.Seq)
		}
		if len(got) != len(c.want) || page.Older != c.older {
			t.Errorf("before %d, limit %d: %v, older %v; want %v, %v", c.before, c.limit, got, page.Older, c.want, c.older)
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("before %d, limit %d: %v; want %v", c.before, c.limit, got, c.want)
			}
		}
	}
}

func TestAppendingDoesNotChangeASnapshot(t *testing.T) {
	rows := wallettest.Rows(1, 100, wallettest.Mixed(100))
	part := rows.Slice(0, 50)
	part.Append(e(1, 1, wallet.Bonus, 1, 1))
	if rows.At(50) == part.At(50) {
		t.Error("appending to a slice of the rows changed the rows")
	}
}
