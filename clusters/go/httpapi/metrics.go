package httpapi

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"twinload/wallet"
)

// statuses are all status codes the service answers with.
var statuses = [...]int{200, 201, 400, 404, 405, 409, 413, 415, 422, 500, 503, 507}

// metrics counts the answers by endpoint and status code. Three metrics, two of them read at the
// scrape, do not ask for a client library with its registry and labels.
type metrics struct {
	answers [endpointCount][len(statuses)]atomic.Uint64
}

func (m *metrics) count(e endpoint, status int) {
	for i, s := range statuses {
		if s == status {
			m.answers[e][i].Add(1)
			return
		}
	}
}

// append writes the metrics in Prometheus's text format. Counters that stand at zero are left out.
func (m *metrics) append(dst []byte) ([]byte, error) {
	usage, err := readUsage()
	if err != nil {
		return dst, err
	}
	dst = fmt.Appendf(dst, "# HELP process_cpu_seconds_total CPU time of the process, user and system.\n"+
		"# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.6f\n", float64(usage.cpuUs)/1e6)
	dst = fmt.Appendf(dst, "# HELP process_resident_memory_bytes Resident memory of the process.\n"+
		"# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %d\n", usage.residentBytes)
	dst = append(dst, "# HELP wallet_requests_total Answers by endpoint and status code.\n# TYPE wallet_requests_total counter\n"...)
	for e := range endpointCount {
		for i, status := range statuses {
			if n := m.answers[e][i].Load(); n > 0 {
				dst = fmt.Appendf(dst, "wallet_requests_total{endpoint=%q,code=\"%d\"} %d\n", e, status, n)
			}
		}
	}
	return dst, nil
}

// appendStore writes what an operator watches of the store.
func appendStore(dst []byte, bank *wallet.Bank) []byte {
	followed, lost := 0, 0
	switch bank.Store() {
	case wallet.StoreFollowed:
		followed = 1
	case wallet.StoreLost:
		lost = 1
	}
	return fmt.Appendf(dst, "# HELP wallet_store_followed Whether the store answers and its writes are seen here.\n"+
		"# TYPE wallet_store_followed gauge\nwallet_store_followed %d\n"+
		"# HELP wallet_store_lost Whether the store has lost writes that were seen here.\n"+
		"# TYPE wallet_store_lost gauge\nwallet_store_lost %d\n"+
		"# HELP wallet_ledger_as_of The highest sequence number seen.\n"+
		"# TYPE wallet_ledger_as_of gauge\nwallet_ledger_as_of %d\n", followed, lost, bank.AsOf())
}

// usage is what the process has used.
type usage struct {
	cpuUs         int64
	residentBytes int64
}

// readUsage takes CPU time from getrusage, whose microseconds are finer than the clock ticks of
// /proc/self/stat, and resident memory from /proc/self/statm.
func readUsage() (usage, error) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return usage{}, fmt.Errorf("getrusage: %w", err)
	}
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return usage{}, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return usage{}, fmt.Errorf("/proc/self/statm holds %q, needs at least 2 fields", text)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return usage{}, fmt.Errorf("/proc/self/statm: %w", err)
	}
	cpuUs := (r.Utime.Sec+r.Stime.Sec)*1e6 + int64(r.Utime.Usec) + int64(r.Stime.Usec)
	return usage{cpuUs: cpuUs, residentBytes: pages * int64(os.Getpagesize())}, nil
}
