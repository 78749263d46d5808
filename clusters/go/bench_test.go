package wallet_test

import (
	"syscall"
	"testing"

	"twinload/wallet"
	"twinload/wallet/wallettest"
)

const benchEntries = 8000

// profiles are the two users of the benchmarks, with 8,000 entries over half a year each.
var profiles = []struct {
	name   string
	habits wallettest.Habits
}{{"mixed", wallettest.Mixed(benchEntries)}, {"host", wallettest.Host(benchEntries)}}

// cpuNs returns the CPU time of the process. On a shared machine the wall clock, which ns/op comes
// from, counts the neighbours' work too.
func cpuNs(b *testing.B) int64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return r.Utime.Nano() + r.Stime.Nano()
}

// perEntry runs one request after the other and reports the CPU time an entry.
func perEntry(b *testing.B, views []wallet.View, request func(wallet.View)) {
	request(views[0]) // buffers grow
	start, i := cpuNs(b), 0
	for b.Loop() {
		request(views[i%len(views)])
		i++
	}
	b.ReportMetric(float64(cpuNs(b)-start)/float64(i)/benchEntries, "cpu-ns/entry")
}

// benchViews returns views of several users with the same habits, so that the branch predictor cannot
// learn one user by heart.
func benchViews(habits wallettest.Habits) []wallet.View {
	views := make([]wallet.View, 16)
	for seed := range views {
		rows := wallettest.Rows(uint64(seed), benchEntries, habits)
		views[seed] = wallet.View{Loaded: rows, Mark: wallet.Mark{TimeMs: rows.TimeMs[benchEntries-1]}}
	}
	return views
}

func BenchmarkBalance(b *testing.B) {
	for _, p := range profiles {
		b.Run(p.name, func(b *testing.B) {
			var balance wallet.Balance
			perEntry(b, benchViews(p.habits), func(v wallet.View) {
				if err := balance.Fold(v); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

func BenchmarkStatistics(b *testing.B) {
	all := manyUsers(b, 2000)
	w := window(b, wallettest.StartMs, wallettest.StartMs+370*day, day)
	for _, p := range profiles {
		b.Run(p.name, func(b *testing.B) {
			var s wallet.Statistics
			perEntry(b, benchViews(p.habits), func(v wallet.View) { s.Sum(v, w, all) })
		})
	}
}
