package wallet

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSelectionFindsWhatSortingWould(t *testing.T) {
	draws := map[string]func(r *rand.Rand, i int) uint32{
		"small":      func(r *rand.Rand, _ int) uint32 { return r.Uint32N(10) },
		"wide":       func(r *rand.Rand, _ int) uint32 { return r.Uint32() },
		"constant":   func(*rand.Rand, int) uint32 { return math.MaxUint32 },
		"ascending":  func(_ *rand.Rand, i int) uint32 { return uint32(i) },
		"descending": func(_ *rand.Rand, i int) uint32 { return math.MaxUint32 - uint32(i) },
		"organ pipe": func(_ *rand.Rand, i int) uint32 { return uint32(min(i, 1000-i)) },
	}
	for name, draw := range draws {
		for seed := range uint64(40) {
			rng := rand.New(rand.NewPCG(seed, 7))
			values := make([]uint32, 1+rng.IntN(1000))
			for i := range values {
				values[i] = draw(rng, i)
			}
			sorted := slices.Sorted(slices.Values(values))
			k := rng.IntN(len(values))
			if got := selectAt(values, k); got != sorted[k] || values[k] != got {
				t.Fatalf("%s, seed %d: selected %d at %d of %d; want %d", name, seed, got, k, len(values), sorted[k])
			}
			if k > 0 && slices.Max(values[:k]) > values[k] || slices.Min(values[k:]) < values[k] {
				t.Fatalf("%s, seed %d: the values are not parted at %d of %d", name, seed, k, len(values))
			}
			slices.Sort(values)
			if !slices.Equal(values, sorted) {
				t.Fatalf("%s, seed %d: the values changed", name, seed)
			}
		}
	}
}

// BenchmarkBucketQuantiles holds three selections against a sort, at 120 gift values of one bucket.
func BenchmarkBucketQuantiles(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 8))
	runs := make([][]uint32, 64)
	for i := range runs {
		for range 120 {
			runs[i] = append(runs[i], rng.Uint32()>>(18+rng.Uint32N(13)))
		}
	}
	work := make([]uint32, 120)
	b.Run("select", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			copy(work, runs[i%len(runs)])
			_, _, _ = selectAt(work, 59), selectAt(work[59:], 107-59), selectAt(work[107:], 118-107)
		}
	})
	b.Run("sort", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			copy(work, runs[i%len(runs)])
			slices.Sort(work)
		}
	})
}
