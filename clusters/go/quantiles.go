package wallet

import "math/bits"

// A value's class is its length in bits and the classBits bits behind its first one. Classes ascend
// with the values, and below 2^(classBits+1) a class is one value.
const (
	classBits  = 6
	classCount = (32 - classBits + 1) << classBits
)

func classOf(value uint32) uint32 {
	length := uint32(bits.Len32(value >> classBits))
	if length <= 1 {
		return value
	}
	return length<<classBits + (value>>(length-1))&(1<<classBits-1)
}

// ranks selects order statistics of the values added to it without sorting them: it counts the
// values by class while they come, and searches only the classes in which a wanted rank falls.
type ranks struct {
	values []uint32
	counts [classCount]uint32
	spare  []uint32
}

func (r *ranks) reset() {
	r.values = r.values[:0]
	r.counts = [classCount]uint32{}
}

func (r *ranks) add(value uint32) {
	r.values = append(r.values, value)
	r.counts[classOf(value)]++
}

// rankOf returns the index, in ascending order, of the nearest-rank quantile of n values, which is the
// ceil(percent * n / 100)-th smallest. There must be values.
func rankOf(percent, n int) int { return (n*percent+99)/100 - 1 }

// nearest returns the nearest-rank quantile. There must be values.
func (r *ranks) nearest(percent int) uint32 {
	left := uint32(rankOf(percent, len(r.values))) + 1
	class := uint32(0)
	for ; left > r.counts[class]; class++ {
		left -= r.counts[class]
	}
	if class < 2<<classBits {
		return class
	}
	// The values of a class are a range whose length is a power of two.
	width := uint32(1) << (class>>classBits - 1)
	least := (class&(1<<classBits-1) | 1<<classBits) * width
	r.spare = r.spare[:0]
	for _, value := range r.values {
		if value-least < width {
			r.spare = append(r.spare, value)
		}
	}
	return selectAt(r.spare, int(left)-1)
}
