package wallet

import "errors"

// MaxBuckets is the largest number of buckets in one statistics answer.
const MaxBuckets = 400

// Faults of a window; both lie with its end.
var (
	ErrWindowEmpty   = errors.New("the window ends before it starts")
	ErrWindowTooLong = errors.New("the window has too many buckets")
)

// Window is a half-open range of time [FromMs, ToMs) cut into buckets aligned to UTC.
type Window struct {
	FromMs, ToMs  int64
	BucketMs      int64 // HourMs or DayMs
	FirstBucketMs int64 // start of the bucket that holds FromMs
	Buckets       int
}

// NewWindow returns the window, or ErrWindowEmpty, or ErrWindowTooLong. Times must not be negative.
func NewWindow(fromMs, toMs, bucketMs int64) (Window, error) {
	if fromMs >= toMs {
		return Window{}, ErrWindowEmpty
	}
	first := fromMs / bucketMs * bucketMs
	buckets := (toMs - first + bucketMs - 1) / bucketMs
	if buckets > MaxBuckets {
		return Window{}, ErrWindowTooLong
	}
	return Window{
		FromMs: fromMs, ToMs: toMs, BucketMs: bucketMs, FirstBucketMs: first, Buckets: int(buckets),
	}, nil
}
