package wallet

import "math/bits"

// signBit turns the order of int64 into that of uint64.
const signBit = 1 << 63

// lotKey is a lot in a heap: two words that order lots by (expiry, number). The number is a lot's
// position among the user's lots or rows, and ascends with its id. What remains of the lot stands
// below the number, where the heap is the one to keep it; since no two lots share a number, it takes
// no part in the order.
type lotKey struct {
	expiry uint64 // with its sign bit turned
	lot    uint64 // number << 32 | remaining
}

func newLotKey(expiresAtMs int64, number, remaining uint32) lotKey {
	return lotKey{expiry: uint64(expiresAtMs) ^ signBit, lot: uint64(number)<<32 | uint64(remaining)}
}

func (k lotKey) expiresAtMs() int64 { return int64(k.expiry ^ signBit) }

func (k lotKey) number() int { return int(k.lot >> 32) }

func (k lotKey) remaining() uint32 { return uint32(k.lot) }

// before returns 1 when k comes before other, else 0. It is the borrow of the subtraction of the two
// keys as 128-bit numbers: siftings compare keys whose order no branch predictor can guess.
func (k lotKey) before(other lotKey) uint64 {
	_, borrow := bits.Sub64(k.lot, other.lot, 0)
	_, borrow = bits.Sub64(k.expiry, other.expiry, borrow)
	return borrow
}

// lotHeap is a binary min-heap of lots by (expiry, id).
type lotHeap []lotKey

func (h *lotHeap) push(k lotKey) {
	*h = append(*h, k)
	h.rise(len(*h)-1, k)
}

// rise puts k at position i or above.
func (h *lotHeap) rise(i int, k lotKey) {
	keys := *h
	for i > 0 {
		parent := (i - 1) / 2
		if k.before(keys[parent]) == 0 {
			break
		}
		keys[i] = keys[parent]
		i = parent
	}
	keys[i] = k
}

// pop removes the first lot; the heap must not be empty. The gap at the top sinks to the bottom along
// the smaller children and the last key rises from there: it came from the bottom and seldom rises
// far, which saves a comparison at each level.
func (h *lotHeap) pop() {
	keys := *h
	n := len(keys) - 1
	last := keys[n]
	keys = keys[:n]
	*h = keys
	if n == 0 {
		return
	}
	gap, child := 0, 2
	for child < n {
		child -= int(keys[child-1].before(keys[child]))
		keys[gap] = keys[child]
		gap, child = child, 2*child+2
	}
	if child == n { // a left child alone
		keys[gap] = keys[n-1]
		gap = n - 1
	}
	h.rise(gap, last)
}
