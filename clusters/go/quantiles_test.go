package wallet

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestClassesAscendWithTheValues(t *testing.T) {
	edges := []uint32{0, 1, 63, 64, 127, 128, 129, 130, 255, 256, 4095, 4096, 1 << 20, 1<<31 - 1, 1 << 31, math.MaxUint32}
	for i, value := range edges {
		class := classOf(value)
		if class >= classCount {
			t.Errorf("class of %d is %d, there are %d", value, class, classCount)
		}
		if value < 128 && class != value {
			t.Errorf("class of %d is %d; want the value", value, class)
		}
		if i > 0 && classOf(edges[i-1]) > class {
			t.Errorf("class of %d is %d, below that of %d", value, class, edges[i-1])
		}
	}
	if classOf(128) != classOf(129) || classOf(129) == classOf(130) {
		t.Error("classes above 127 hold two values each; want {128, 129}, {130, 131}")
	}
}

func TestNearestRanksAreThoseOfTheSortedValues(t *testing.T) {
	draws := map[string]func(*rand.Rand) uint32{
		"small":    func(r *rand.Rand) uint32 { return r.Uint32N(100) },
		"wide":     func(r *rand.Rand) uint32 { return r.Uint32() >> r.Uint32N(32) },
		"constant": func(*rand.Rand) uint32 { return 70_000 },
		"near":     func(r *rand.Rand) uint32 { return math.MaxUint32 - r.Uint32N(3) },
	}
	var r ranks
	for name, draw := range draws {
		for seed, n := range []int{1, 2, 3, 99, 100, 101, 5000} {
			rng := rand.New(rand.NewPCG(uint64(seed), 4))
			r.reset()
			values := make([]uint32, n)
			for i := range values {
				values[i] = draw(rng)
				r.add(values[i])
			}
			slices.Sort(values)
			for _, percent := range []int{50, 90, 99} {
				want := values[int(math.Ceil(float64(n*percent)/100))-1]
				if got := r.nearest(percent); got != want {
					t.Errorf("%s, seed %d: p%d of %d values is %d; want %d", name, seed, percent, n, got, want)
				}
			}
		}
	}
}

// BenchmarkQuantiles holds the selection against sorting all values, at 8,000 gift values.
func BenchmarkQuantiles(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 5))
	values := make([]uint32, 8000)
	for i := range values {
		values[i] = rng.Uint32() >> (18 + rng.Uint32N(13))
	}
	b.Run("select", func(b *testing.B) {
		var r ranks
		for b.Loop() {
			r.reset()
			for _, v := range values {
				r.add(v)
			}
			_, _, _ = r.nearest(50), r.nearest(90), r.nearest(99)
		}
	})
	b.Run("sort", func(b *testing.B) {
		sorted := make([]uint32, len(values))
		for b.Loop() {
			copy(sorted, values)
			slices.Sort(sorted)
		}
	})
}
