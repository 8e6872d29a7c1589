package ratelimit

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The fuzz targets play what they are given through a limiter and its oracle: the first byte
// is the limit (see extremes), the next one the slack, and each three what to do (see decode).

func fuzz(f *testing.F, play func(t *testing.T, limit Limit, burst int64, slack time.Duration, data []byte)) {
	for i := range extremes() {
		f.Add([]byte{byte(i), 0,
			32, 0, 0, 0, 0, 1, 4, 100, 1, 2, 20, 1, 3, 100, 2, 192 + 2, 1, 1, 5, 9, 1, 40 + 3, 128, 0, 6, 1, 255, 56 + 7, 70, 1})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2 {
			return
		}
		x := extremes()[int(data[0])%len(extremes())]
		play(t, x.limit, x.burst, time.Duration(data[1])*time.Millisecond/16, data[2:min(len(data), 2+3*50)])
	})
}

// fuzzTrial plays through the algorithms with these names.
func fuzzTrial(f *testing.F, names ...string) {
	fuzz(f, func(t *testing.T, limit Limit, burst int64, slack time.Duration, data []byte) {
		played := 0
		for _, tr := range trials(limit, burst, slack) {
			for _, name := range names {
				if tr.name == name {
					tr.play(t, decode(data, limit, tr.o.most()))
					played++
				}
			}
		}
		require.Len(t, names, played)
	})
}

func FuzzBucket(f *testing.F)         { fuzzTrial(f, "TokenBucket", "LeakyBucket", "GCRA") }
func FuzzLeakyQueue(f *testing.F)     { fuzzTrial(f, "LeakyQueue") }
func FuzzFixedWindow(f *testing.F)    { fuzzTrial(f, "FixedWindow") }
func FuzzSlidingLog(f *testing.F)     { fuzzTrial(f, "SlidingLog") }
func FuzzSlidingCounter(f *testing.F) { fuzzTrial(f, "SlidingCounter") }

func FuzzLine(f *testing.F) {
	fuzz(f, func(t *testing.T, limit Limit, burst int64, slack time.Duration, data []byte) {
		playLine(t, limit, burst, slack, data)
	})
}

func FuzzMulti(f *testing.F) {
	fuzz(f, func(t *testing.T, _ Limit, _ int64, _ time.Duration, data []byte) { playMulti(t, data) })
}
