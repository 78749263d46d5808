package httpapi

import (
	"math"
	"strconv"
	"testing"
)

func TestNumbersAreWrittenAsStrconvWritesThem(t *testing.T) {
	values := []uint64{0, math.MaxUint64}
	for power := uint64(1); ; power *= 10 {
		values = append(values, power-1, power, power+1, power*3/2)
		if power > math.MaxUint64/10 {
			break
		}
	}
	for bit := range 64 {
		values = append(values, 1<<bit-1, 1<<bit, 1<<bit+1)
	}
	for _, v := range values {
		want := "x" + strconv.FormatUint(v, 10)
		if got := string(appendNumber([]byte("x"), v)); got != want {
			t.Errorf("%d is written as %q", v, got)
		}
	}
	for _, v := range []int64{math.MinInt64, -1, 0, math.MaxInt64} {
		if got := string(appendNumber(nil, v)); got != strconv.FormatInt(v, 10) {
			t.Errorf("%d is written as %q", v, got)
		}
	}
}
