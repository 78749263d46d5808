package httpapi

import (
	"math"
	"strings"

	"twinload/wallet"
)

// parameter is one name looked up in a raw query.
type parameter struct {
	name  string
	value string
	times int
}

// lookup finds the parameters in the raw query: pieces between "&", each cut at its first "=".
// Nothing is percent-decoded, since no valid value needs it; other names are ignored. It fails on
// the first of the parameters, in the order given, that the query repeats.
func lookup(query string, wanted ...*parameter) *fault {
	for rest, more := query, true; more; {
		var piece string
		piece, rest, more = strings.Cut(rest, "&")
		name, value, _ := strings.Cut(piece, "=")
		for _, p := range wanted {
			if p.name == name {
				p.value = value
				p.times++
			}
		}
	}
	for _, p := range wanted {
		if p.times > 1 {
			return repeated(p.name)
		}
	}
	return nil
}

// digits reads a number of at most maxDigits decimal digits without leading zeros.
func digits(text string, maxDigits int) (uint64, bool) {
	if len(text) == 0 || len(text) > maxDigits || (text[0] == '0' && len(text) > 1) {
		return 0, false
	}
	value := uint64(0)
	for i := range len(text) {
		c := text[i] - '0'
		if c > 9 {
			return 0, false
		}
		value = value*10 + uint64(c)
	}
	return value, true
}

func (p *parameter) timeMs() (int64, *fault) {
	if p.times == 0 {
		return 0, missing(p.name)
	}
	value, ok := digits(p.value, 14)
	if !ok {
		return 0, badParameter(p.name, p.name+" must be Unix milliseconds: 1 to 14 digits without leading zeros.")
	}
	return int64(value), nil
}

// parseWindow reads the query of the statistics endpoint.
func parseWindow(query string) (wallet.Window, *fault) {
	from, to, bucket := parameter{name: "from"}, parameter{name: "to"}, parameter{name: "bucket"}
	if f := lookup(query, &from, &to, &bucket); f != nil {
		return wallet.Window{}, f
	}
	fromMs, f := from.timeMs()
	if f != nil {
		return wallet.Window{}, f
	}
	toMs, f := to.timeMs()
	if f != nil {
		return wallet.Window{}, f
	}
	bucketMs := wallet.DayMs
	if bucket.times > 0 {
		switch bucket.value {
		case "day":
		case "hour":
			bucketMs = wallet.HourMs
		default:
			return wallet.Window{}, badParameter("bucket", "bucket must be hour or day.")
		}
	}
	window, err := wallet.NewWindow(fromMs, toMs, bucketMs)
	switch err {
	case nil:
		return window, nil
	case wallet.ErrWindowEmpty:
		return window, badParameter("to", "to must be later than from.")
	default:
		return window, badParameter("to", "to is too far from from: at most 400 buckets.")
	}
}

const (
	defaultLimit = 20
	maxLimit     = 100
)

// parsePage reads the query of the transactions endpoint. Without a cursor the page starts at the
// newest entry.
func parsePage(query string) (beforeSeq uint64, limit int, f *fault) {
	cursor, size := parameter{name: "cursor"}, parameter{name: "limit"}
	if f := lookup(query, &cursor, &size); f != nil {
		return 0, 0, f
	}
	beforeSeq, limit = math.MaxUint64, defaultLimit
	if cursor.times > 0 {
		value, ok := digits(cursor.value, 10)
		if !ok {
			return 0, 0, badParameter("cursor", "cursor must be 1 to 10 digits without leading zeros.")
		}
		beforeSeq = value
	}
	if size.times > 0 {
		value, ok := digits(size.value, 3)
		if !ok || value < 1 || value > maxLimit {
			return 0, 0, badParameter("limit", "limit must be an integer from 1 to 100.")
		}
		limit = int(value)
	}
	return beforeSeq, limit, nil
}

const maxFib = 45

// parseFib reads the query of the fib endpoint.
func parseFib(query string) (uint64, *fault) {
	n := parameter{name: "n"}
	if f := lookup(query, &n); f != nil {
		return 0, f
	}
	if n.times == 0 {
		return 0, missing("n")
	}
	value, ok := digits(n.value, 2)
	if !ok || value > maxFib {
		return 0, badParameter("n", "n must be an integer from 0 to 45.")
	}
	return value, nil
}
