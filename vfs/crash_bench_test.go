package vfs_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
)

// logHistory is the work of a log with segments: appends of up to three writes
// to a sync, and a new file with a rename every 40 operations.
func logHistory(t testing.TB, ops int) *vfs.Recorder {
	r := vfs.Record(vfs.NewMem())
	record := make([]byte, 3000)
	for i := range record {
		record[i] = byte(i)
	}
	for segment := 0; r.Ops() < ops; segment++ {
		f, err := r.Open("/new", vfs.Create, "")
		require.NoError(t, err)
		require.NoError(t, r.Rename("/new", fmt.Sprintf("/%03d", segment)))
		require.NoError(t, r.SyncDir("/"))
		for i := range 36 {
			if i%4 == 3 {
				require.NoError(t, f.Sync())
				continue
			}
			_, err := f.WriteAt(record, int64(i*len(record)))
			require.NoError(t, err)
		}
	}
	return r
}

// TestCrashesOfALongHistory keeps the enumeration at the size that a test of a
// storage engine needs: every point of 300 operations.
func TestCrashesOfALongHistory(t *testing.T) {
	r := logHistory(t, 300)
	states := 0
	for point := range r.Ops() + 1 {
		for range r.Crashes(point) {
			states++
		}
	}
	t.Log(r.Ops(), "operations,", states, "states")
	require.Greater(t, states, 8000)
}

// BenchmarkCrashes reports the time of one crash state.
func BenchmarkCrashes(b *testing.B) {
	for _, ops := range []int{30, 300} {
		b.Run(fmt.Sprintf("impl=cow/case=log/n=%d", ops), func(b *testing.B) {
			r := logHistory(b, ops)
			states := 0
			b.ReportAllocs()
			for b.Loop() {
				for point := range r.Ops() + 1 {
					for range r.Crashes(point) {
						states++
					}
				}
			}
			b.ReportMetric(float64(states)/float64(b.N), "states/op")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(states), "ns/state")
		})
	}
}
