package hist

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// invariant walks a histogram and checks I2 as far as it can be seen from
// inside: the totals agree with the buckets.
func (h *Histogram) invariant(t testing.TB) {
	t.Helper()
	var n uint64
	first, last := -1, -1
	for i, c := range h.counts {
		n += c
		if c > 0 {
			last = i
			if first < 0 {
				first = i
			}
		}
	}
	require.Equal(t, n, h.count)
	if n == 0 {
		require.Zero(t, h.min)
		require.Zero(t, h.max)
		return
	}
	require.Equal(t, first, bucketOf(h.min), "min lies in the first bucket")
	require.Equal(t, last, bucketOf(h.max), "max lies in the last bucket")
}

func TestEveryValueHasItsBucket(t *testing.T) {
	for i := range numBuckets {
		low, high := lowest(i), highest(i)
		require.LessOrEqual(t, low, high)
		require.Equal(t, i, bucketOf(low))
		require.Equal(t, i, bucketOf(high))
		if i > 0 {
			require.Equal(t, highest(i-1)+1, low, "no gap before bucket %d", i)
		}
		require.LessOrEqual(t, high-low, low/subBuckets, "bucket %d is too wide", i)
	}
	require.Equal(t, uint64(math.MaxInt64), highest(numBuckets-1))
	require.Equal(t, 7296, numBuckets, "the size that doc.go states")
}

// latencies draws values from a shape that the test names.
func latencies(rnd *rand.Rand, shape string, n int) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		switch shape {
		case "small":
			out[i] = time.Duration(rnd.IntN(300))
		case "uniform":
			out[i] = time.Duration(rnd.Int64N(int64(time.Second)))
		case "tail":
			out[i] = time.Duration(math.Exp(rnd.NormFloat64()*2) * 1e5)
		case "any":
			out[i] = time.Duration(rnd.Uint64() >> (1 + rnd.IntN(63)))
		case "one":
			out[i] = 123_457
		}
	}
	return out
}

// TestAgainstSortedSlice checks I1 to I3 against the obvious implementation.
// Seen to fail with: Quantile returning the bucket's lower bound; the rank one
// too low; the bound not held to Max.
func TestAgainstSortedSlice(t *testing.T) {
	quantiles := []float64{0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 1}
	for _, shape := range []string{"small", "uniform", "tail", "any", "one"} {
		for _, n := range []int{1, 2, 3, 10, 999, 1000, 1001, 20_000} {
			rnd := rand.New(rand.NewPCG(1, uint64(n)))
			values := latencies(rnd, shape, n)
			var h Histogram
			var sum uint64
			for _, v := range values {
				h.Record(v)
				sum += uint64(v)
			}
			slices.Sort(values)
			h.invariant(t)
			require.Equal(t, uint64(n), h.Count())
			require.Equal(t, values[0], h.Min())
			require.Equal(t, values[n-1], h.Max())
			require.Equal(t, time.Duration(sum), h.Sum())
			require.Equal(t, time.Duration(sum/uint64(n)), h.Mean())
			for _, q := range quantiles {
				truth := values[naiveRank(q, n)-1]
				got := h.Quantile(q)
				at := fmt.Sprintf("%s n=%d q=%v", shape, n, q)
				require.GreaterOrEqual(t, got, truth, at)
				require.LessOrEqual(t, got-truth, truth/subBuckets, at)
				require.LessOrEqual(t, got, h.Max(), at)
			}
		}
	}
}

// naiveRank counts up to the first k of n that makes the fraction.
func naiveRank(q float64, n int) int {
	k := 1
	for k < n && float64(k)/float64(n) < q {
		k++
	}
	return k
}

func TestMergeOfPartsIsTheWhole(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	var whole Histogram
	parts := make([]Histogram, 5)
	for _, shape := range []string{"small", "uniform", "tail", "any"} {
		for _, v := range latencies(rnd, shape, 500) {
			whole.Record(v)
			parts[rnd.IntN(4)].Record(v) // the fifth stays empty
		}
	}
	var merged Histogram
	for i := range parts {
		before := parts[i].count
		merged.Merge(&parts[i])
		merged.invariant(t)
		require.Equal(t, before, parts[i].count, "Merge leaves its argument alone")
	}
	require.Equal(t, encode(t, &whole), encode(t, &merged))
}

func TestSubIsWhatCameSince(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	var h, since Histogram
	for _, v := range latencies(rnd, "tail", 1000) {
		h.Record(v)
	}
	var earlier Histogram
	earlier.Merge(&h)
	for _, v := range latencies(rnd, "uniform", 1000) {
		h.Record(v)
		since.Record(v)
	}
	d := h.Sub(&earlier)
	d.invariant(t)
	require.Equal(t, since.Count(), d.Count())
	require.Equal(t, since.Sum(), d.Sum())
	require.LessOrEqual(t, d.Min(), since.Min())
	require.GreaterOrEqual(t, d.Max(), since.Max())
	require.Equal(t, since.Quantile(0.5), d.Quantile(0.5))
	require.Zero(t, h.Sub(&h).Count())
	require.Panics(t, func() { earlier.Sub(&h) }, "the wrong way round")

	var bigger Histogram
	bigger.Record(time.Hour)
	require.Panics(t, func() { new(Histogram).Sub(&bigger) }, "a bucket that is not there")
}

func TestAllAddsUp(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	var h Histogram
	for _, v := range latencies(rnd, "tail", 1000) {
		h.Record(v)
	}
	var n uint64
	last := time.Duration(-1)
	for b := range h.All() {
		require.Greater(t, b.Low, last)
		require.GreaterOrEqual(t, b.High, b.Low)
		require.NotZero(t, b.Count)
		if n == 0 {
			require.Equal(t, h.Min(), b.Low)
		}
		n += b.Count
		last = b.High
	}
	require.Equal(t, h.Max(), last)
	require.Equal(t, h.Count(), n)
	for range h.All() {
		break // the iterator heeds it: no panic
	}
}

func TestEmpty(t *testing.T) {
	var h Histogram
	require.Zero(t, h.Quantile(0.99))
	require.Zero(t, h.Mean())
	require.Zero(t, h.Min()+h.Max()+h.Sum())
	for range h.All() {
		t.Fatal("a bucket of nothing")
	}
	h.Merge(&Histogram{})
	h.invariant(t)
}

func TestMisusePanics(t *testing.T) {
	var h Histogram
	require.PanicsWithValue(t, "hist: negative duration", func() { h.Record(-1) })
	for _, q := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		require.PanicsWithValue(t, "hist: quantile out of [0, 1]", func() { h.Quantile(q) })
	}
	require.Zero(t, h.Count(), "a refused value is not counted")
}

func TestExtremesAreNotClamped(t *testing.T) {
	var h Histogram
	h.Record(0)
	h.Record(math.MaxInt64)
	h.invariant(t)
	require.Equal(t, time.Duration(math.MaxInt64), h.Quantile(1))
	require.Equal(t, time.Duration(0), h.Quantile(0.5))
}

func encode(t testing.TB, h *Histogram) string {
	b, err := json.Marshal(h)
	require.NoError(t, err)
	return string(b)
}

func TestJSONRoundTrip(t *testing.T) {
	var h Histogram
	for _, v := range []time.Duration{5, 505, 1005} {
		h.Record(v)
	}
	const want = `{"unit":"ns","count":3,"sum":1515,"min":5,"max":1005,"buckets":[[5,1],[504,1],[1004,1]]}`
	require.Equal(t, want, encode(t, &h), "the example in json.go")
	for _, shape := range []string{"small", "uniform", "tail", "one"} {
		var h, back Histogram
		for _, v := range latencies(rand.New(rand.NewPCG(5, 5)), shape, 300) {
			h.Record(v)
		}
		require.NoError(t, json.Unmarshal([]byte(encode(t, &h)), &back))
		back.invariant(t)
		require.Equal(t, encode(t, &h), encode(t, &back))
	}
}

func TestJSONRefusesWhatIsNoHistogram(t *testing.T) {
	for name, in := range map[string]string{
		"no object":        `[]`,
		"unit":             `{"unit":"ms","count":0,"buckets":[]}`,
		"count":            `{"unit":"ns","count":2,"sum":5,"min":5,"max":5,"buckets":[[5,1]]}`,
		"sum too small":    `{"unit":"ns","count":1,"sum":4,"min":5,"max":5,"buckets":[[5,1]]}`,
		"sum too large":    `{"unit":"ns","count":1,"sum":6,"min":5,"max":5,"buckets":[[5,1]]}`,
		"empty bucket":     `{"unit":"ns","count":0,"sum":0,"min":0,"max":0,"buckets":[[5,0]]}`,
		"no bucket's edge": `{"unit":"ns","count":1,"sum":505,"min":505,"max":505,"buckets":[[505,1]]}`,
		"order":            `{"unit":"ns","count":2,"sum":11,"min":5,"max":6,"buckets":[[6,1],[5,1]]}`,
		"twice":            `{"unit":"ns","count":2,"sum":10,"min":5,"max":5,"buckets":[[5,1],[5,1]]}`,
		"min":              `{"unit":"ns","count":1,"sum":5,"min":4,"max":5,"buckets":[[5,1]]}`,
		"max":              `{"unit":"ns","count":1,"sum":5,"min":5,"max":6,"buckets":[[5,1]]}`,
		"max of none":      `{"unit":"ns","count":0,"sum":0,"min":0,"max":6,"buckets":[]}`,
		"too many":         `{"unit":"ns","count":0,"sum":0,"min":0,"max":1,"buckets":[[0,18446744073709551615],[1,1]]}`,
		"beyond int64":     `{"unit":"ns","count":1,"sum":9223372036854775808,"min":9223372036854775808,"max":9223372036854775808,"buckets":[[9223372036854775808,1]]}`,
	} {
		h := Histogram{count: 1, sum: 7, min: 7, max: 7, counts: []uint64{7: 1}}
		require.Error(t, json.Unmarshal([]byte(in), &h), name)
		require.Equal(t, uint64(7), h.max, "%s: an error changes nothing", name)
	}
}

// FuzzUnmarshal holds the decoder to: no panic, and whatever it takes is a
// histogram that is encoded back to the same numbers.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"unit":"ns","count":3,"sum":1515,"min":5,"max":1005,"buckets":[[5,1],[504,1],[1004,1]]}`))
	f.Add([]byte(`{"unit":"ns","count":0,"sum":0,"min":0,"max":0,"buckets":[]}`))
	f.Add([]byte(`{"unit":"ns","count":1,"sum":9223372036854775807,"min":9223372036854775807,"max":9223372036854775807,"buckets":[[9187343239835811840,1]]}`))
	f.Add([]byte(`{"unit":"ns","buckets":[[18446744073709551615,1]]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var h, again Histogram
		if json.Unmarshal(in, &h) != nil {
			return
		}
		h.invariant(t)
		require.LessOrEqual(t, h.Quantile(0.5), h.Max())
		out := encode(t, &h)
		require.NoError(t, json.Unmarshal([]byte(out), &again))
		require.Equal(t, out, encode(t, &again))
	})
}

// BenchmarkRecord records and asks for one percentile, as a run does:
// impl=naive keeps every value and sorts.
func BenchmarkRecord(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		values := latencies(rand.New(rand.NewPCG(6, 6)), "tail", n)
		b.Run(fmt.Sprintf("impl=hist/case=tail/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var h Histogram
				for _, v := range values {
					h.Record(v)
				}
				h.Quantile(0.99)
			}
		})
		b.Run(fmt.Sprintf("impl=naive/case=tail/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var all []time.Duration
				keep := func(v time.Duration) { all = append(all, v) }
				for _, v := range values {
					keep(v)
				}
				slices.Sort(all)
				_ = all[n*99/100]
			}
		})
	}
}
