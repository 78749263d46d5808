package httpapi

import (
	"math/bits"
	"slices"
	"strconv"

	"twinload/wallet"
)

// Answers are appended by hand: they hold integers and a few names that need no escaping, their
// members have a fixed order, and no reflection or copy stands between the domain's values and the
// bytes. encbench/ holds this against other encoders.

// integer is every type of number that the answers hold.
type integer interface {
	~int | ~int64 | ~uint32 | ~uint64
}

// appendMember appends a literal, such as `,"count":`, and a number.
func appendMember[T integer](dst []byte, literal string, value T) []byte {
	return appendNumber(append(dst, literal...), value)
}

// appendNumber appends a decimal number. Answers are mostly numbers of 13 digits, which are written
// in place, two digits at a division; strconv writes into a buffer of its own first.
func appendNumber[T integer](dst []byte, value T) []byte {
	if value < 0 {
		return strconv.AppendInt(dst, int64(value), 10)
	}
	return appendDigits(dst, uint64(value))
}

const pairs = "00010203040506070809101112131415161718192021222324" +
	"25262728293031323334353637383940414243444546474849" +
	"50515253545556575859606162636465666768697071727374" +
	"75767778798081828384858687888990919293949596979899"

func appendDigits(dst []byte, v uint64) []byte {
	if v < 10 {
		return append(dst, byte('0'+v))
	}
	n := digitCount(v)
	dst = slices.Grow(dst, n)
	dst = dst[:len(dst)+n]
	out := dst[len(dst)-n:]
	i := n
	for v >= 100 {
		i -= 2
		pair := v % 100 * 2
		v /= 100
		out[i+1], out[i] = pairs[pair+1], pairs[pair]
	}
	if v >= 10 {
		out[1], out[0] = pairs[v*2+1], pairs[v*2]
	} else {
		out[0] = byte('0' + v)
	}
	return dst
}

// powersOfTen holds 10^i at i, from 10^1 to the largest in a uint64.
var powersOfTen = [20]uint64{
	0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

// digitCount returns the number of decimal digits of v, which must not be 0. 1233 / 4096 is a little
// more than log10(2), near enough for 64 bits.
func digitCount(v uint64) int {
	n := bits.Len64(v) * 1233 >> 12
	if v >= powersOfTen[n] {
		n++
	}
	return n
}

// AppendBalance appends the answer of the balance endpoint.
func AppendBalance(dst []byte, userID string, b *wallet.Balance) []byte {
	dst = append(dst, `{"user_id":"`...)
	dst = append(dst, userID...)
	dst = appendPurse(dst, `","coins":{"available":`, b.Coins)
	dst = appendPurse(dst, `,"diamonds":{"available":`, b.Diamonds)
	dst = appendMember(dst, `,"lots_open":`, b.LotsOpen)
	dst = append(dst, `,"lots":[`...)
	for i := range b.Lots {
		dst = appendLot(dst, &b.Lots[i], i > 0, true)
	}
	dst = appendMember(dst, `],"diamond_lots_open":`, b.DiamondLotsOpen)
	dst = append(dst, `,"diamond_lots":[`...)
	for i := range b.DiamondLots {
		dst = appendLot(dst, &b.DiamondLots[i], i > 0, false)
	}
	dst = appendMember(dst, `],"holds_open":`, b.HoldsOpen)
	dst = append(dst, `,"holds":[`...)
	for i, h := range b.Holds {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendMember(dst, `{"id":`, h.ID)
		dst = appendMember(dst, `,"amount":`, h.Amount)
		dst = appendMember(dst, `,"since_ms":`, h.SinceMs)
		dst = append(dst, '}')
	}
	return appendLifetime(append(dst, ']'), b)
}

func appendPurse(dst []byte, literal string, p wallet.Purse) []byte {
	dst = appendMember(dst, literal, p.Available)
	dst = appendMember(dst, `,"frozen":`, p.Frozen)
	dst = appendMember(dst, `,"expiring":`, p.Expiring)
	return append(dst, '}')
}

func appendLot(dst []byte, l *wallet.Lot, comma, withKind bool) []byte {
	if comma {
		dst = append(dst, ',')
	}
	dst = appendMember(dst, `{"id":`, l.ID)
	if withKind {
		dst = append(dst, `,"kind":"`...)
		dst = append(dst, l.Kind.String()...)
		dst = append(dst, '"')
	}
	dst = appendMember(dst, `,"amount":`, l.Amount)
	dst = appendMember(dst, `,"remaining":`, l.Remaining)
	dst = appendMember(dst, `,"expires_at_ms":`, l.ExpiresAtMs)
	return append(dst, '}')
}

func appendLifetime(dst []byte, b *wallet.Balance) []byte {
	dst = appendMember(dst, `,"lifetime":{"entries":`, b.Entries)
	if b.Entries > 0 {
		dst = appendMember(dst, `,"first_ms":`, b.FirstMs)
		dst = appendMember(dst, `,"last_ms":`, b.LastMs)
	} else {
		dst = append(dst, `,"first_ms":null,"last_ms":null`...)
	}
	dst = appendMember(dst, `,"recharged":`, b.Sums[wallet.Recharge])
	dst = appendMember(dst, `,"bonus":`, b.Sums[wallet.Bonus])
	dst = appendMember(dst, `,"gifted":`, b.Sums[wallet.GiftSent])
	dst = appendMember(dst, `,"captured":`, b.Sums[wallet.Capture])
	dst = appendMember(dst, `,"released":`, b.Sums[wallet.Release])
	dst = appendMember(dst, `,"received":`, b.Sums[wallet.GiftReceived])
	dst = appendMember(dst, `,"withdrawn":`, b.Sums[wallet.Withdrawal])
	dst = appendMember(dst, `,"coins_expired":`, b.CoinsExpired)
	dst = appendMember(dst, `,"diamonds_expired":`, b.DiamondsExpired)
	return append(dst, "}}"...)
}

// AppendStatistics appends the answer of the statistics endpoint.
func AppendStatistics(dst []byte, userID string, s *wallet.Statistics, users *wallet.Users) []byte {
	w := &s.Window
	dst = append(dst, `{"user_id":"`...)
	dst = append(dst, userID...)
	dst = appendMember(dst, `","from_ms":`, w.FromMs)
	dst = appendMember(dst, `,"to_ms":`, w.ToMs)
	if w.BucketMs == wallet.HourMs {
		dst = append(dst, `,"bucket":"hour"`...)
	} else {
		dst = append(dst, `,"bucket":"day"`...)
	}
	dst = appendMember(dst, `,"bucket_ms":`, w.BucketMs)
	dst = appendMember(dst, `,"first_bucket_ms":`, w.FirstBucketMs)
	dst = appendMember(dst, `,"buckets":`, w.Buckets)
	dst = appendKinds(dst, s)
	dst = append(dst, `,"top_gifts":[`...)
	for i, g := range s.TopGifts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendMember(dst, `{"gift_id":`, g.GiftID)
		dst = appendMember(dst, `,"count":`, g.Count)
		dst = appendMember(dst, `,"sum":`, g.Sum)
		dst = append(dst, '}')
	}
	dst = append(dst, `],"top_counterparts":[`...)
	for i, c := range s.TopCounterparts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"user_id":"`...)
		dst = append(dst, users.ID(c.User)...)
		dst = appendMember(dst, `","count":`, c.Count)
		dst = appendMember(dst, `,"sent":`, c.Sent)
		dst = appendMember(dst, `,"received":`, c.Received)
		dst = append(dst, '}')
	}
	dst = appendMember(dst, `],"gift_values":{"count":`, s.GiftValues.Count)
	if s.GiftValues.Count > 0 {
		dst = appendMember(dst, `,"p50":`, s.GiftValues.P50)
		dst = appendMember(dst, `,"p90":`, s.GiftValues.P90)
		dst = appendMember(dst, `,"p99":`, s.GiftValues.P99)
	} else {
		dst = append(dst, `,"p50":null,"p90":null,"p99":null`...)
	}
	dst = appendByBucket(dst, `,"by_bucket":{"p50":[`, s.BucketGifts, func(g *wallet.GiftValues) uint32 { return g.P50 })
	dst = appendByBucket(dst, `],"p90":[`, s.BucketGifts, func(g *wallet.GiftValues) uint32 { return g.P90 })
	dst = appendByBucket(dst, `],"p99":[`, s.BucketGifts, func(g *wallet.GiftValues) uint32 { return g.P99 })
	return append(dst, "]}}}"...)
}

// appendByBucket appends a literal and one quantile a bucket, null where a bucket has no gifts.
func appendByBucket(dst []byte, literal string, buckets []wallet.GiftValues, quantile func(*wallet.GiftValues) uint32) []byte {
	dst = append(dst, literal...)
	for i := range buckets {
		if gifts := &buckets[i]; gifts.Count > 0 {
			dst = append(appendNumber(dst, quantile(gifts)), ',')
		} else {
			dst = append(dst, "null,"...)
		}
	}
	return dst[:len(dst)-1]
}

func appendKinds(dst []byte, s *wallet.Statistics) []byte {
	dst = append(dst, `,"kinds":{`...)
	some := false
	for kind := wallet.Recharge; kind <= wallet.Bonus; kind++ {
		cells := s.Cells(kind)
		if cells == nil {
			continue
		}
		if some {
			dst = append(dst, ',')
		}
		some = true
		dst = append(dst, '"')
		dst = append(dst, kind.String()...)
		dst = append(dst, `":{"count":[`...)
		for i := range cells {
			dst = append(appendNumber(dst, cells[i].Count), ',')
		}
		dst = append(dst[:len(dst)-1], `],"sum":[`...)
		for i := range cells {
			dst = append(appendNumber(dst, cells[i].Sum), ',')
		}
		dst = append(dst[:len(dst)-1], "]}"...)
	}
	return append(dst, '}')
}

// appendPage appends the answer of the transactions endpoint.
func appendPage(dst []byte, userID string, p *wallet.Page, users *wallet.Users) []byte {
	dst = append(dst, `{"user_id":"`...)
	dst = append(dst, userID...)
	dst = append(dst, `","entries":[`...)
	for i := range p.Entries {
		e := &p.Entries[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendMember(dst, `{"seq":`, e.Seq)
		dst = append(dst, `,"kind":"`...)
		dst = append(dst, e.Kind.String()...)
		dst = appendMember(dst, `","amount":`, e.Amount)
		dst = appendMember(dst, `,"time_ms":`, e.TimeMs)
		if e.Party == wallet.NoParty {
			dst = append(dst, `,"party":null`...)
		} else {
			dst = append(dst, `,"party":"`...)
			dst = append(dst, users.ID(e.Party)...)
			dst = append(dst, '"')
		}
		dst = appendMember(dst, `,"ref":`, e.Ref)
		dst = append(dst, '}')
	}
	if p.Older {
		dst = appendMember(dst, `],"next_cursor":`, p.Entries[len(p.Entries)-1].Seq)
		return append(dst, '}')
	}
	return append(dst, `],"next_cursor":null}`...)
}
