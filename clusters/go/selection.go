package wallet

import (
	"math/bits"
	"slices"
)

// selectSmall is the length below which a range is sorted by insertion.
const selectSmall = 16

// selectAt returns the value that sorting would bring to position k. It reorders the values so that
// none before position k is above it and none behind is below. Its cost is linear but for rare
// orders, which it sorts.
func selectAt(values []uint32, k int) uint32 {
	for rounds := 2 * bits.Len(uint(len(values))); len(values) > selectSmall; rounds-- {
		if rounds == 0 {
			slices.Sort(values)
			return values[k]
		}
		pivot := median(values[0], values[len(values)/2], values[len(values)-1])
		below := split(values, uint64(pivot))
		if k < below {
			values = values[:below]
			continue
		}
		values, k = values[below:], k-below
		equal := split(values, uint64(pivot)+1)
		if k < equal {
			return pivot
		}
		values, k = values[equal:], k-equal
	}
	sortSmall(values)
	return values[k]
}

// split brings the values below the limit to the front and returns their number. It decides by
// arithmetic: on which side a value falls is what no branch predictor can guess.
func split(values []uint32, limit uint64) int {
	below := 0
	for i, value := range values {
		values[i] = values[below]
		values[below] = value
		below += int((uint64(value) - limit) >> 63)
	}
	return below
}

func median(a, b, c uint32) uint32 { return max(min(a, b), min(max(a, b), c)) }

func sortSmall(values []uint32) {
	for i := 1; i < len(values); i++ {
		value, at := values[i], i
		for ; at > 0 && values[at-1] > value; at-- {
			values[at] = values[at-1]
		}
		values[at] = value
	}
}
