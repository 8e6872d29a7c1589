package wal_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// appender is what the append benchmarks drive: the log, or the naive one.
type appender interface {
	io.Closer
	Append(data []byte) (uint64, error)
}

// round is how many records each writer appends in one operation of a
// benchmark: with one writer and many, the loop and the start of the
// goroutines must not be what is measured.
const round = 32

// appendAll has each writer append round records, and waits for all.
func appendAll(b *testing.B, l appender, writers int, record []byte) {
	if writers == 1 {
		for range round {
			if _, err := l.Append(record); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range round {
				if _, err := l.Append(record); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkAppend shows group commit: with Synced, the time per record falls
// with the number of writers, while the naive log's stays what a flush takes.
// The figures are per record.
func BenchmarkAppend(b *testing.B) {
	for _, impl := range []string{"wal", "naive"} {
		for _, d := range []wal.Durability{wal.Synced, wal.Flushed, wal.Buffered} {
			if impl == "naive" && d == wal.Buffered {
				continue // it has no buffer
			}
			for _, writers := range []int{1, 16, 64} {
				for _, size := range []int{128, 10 << 10} {
					name := fmt.Sprintf("impl=%s/durability=%v/writers=%d/size=%d", impl, d, writers, size)
					b.Run(name, func(b *testing.B) { benchAppend(b, impl, d, writers, size) })
				}
			}
		}
	}
}

func benchAppend(b *testing.B, impl string, d wal.Durability, writers, size int) {
	fs := vfs.NewCounter(vfs.OS())
	var l appender
	var err error
	if impl == "wal" {
		l, err = wal.Open(b.TempDir(), wal.Options{FS: fs, Durability: d})
	} else {
		l, err = openNaive(fs, filepath.Join(b.TempDir(), "log"), d == wal.Synced)
	}
	require.NoError(b, err)
	record := make([]byte, size)
	b.ReportAllocs()
	before := fs.Counts()
	records := 0
	for b.Loop() {
		appendAll(b, l, writers, record)
		records += writers * round
	}
	used := fs.Counts().Sub(before).Total()
	perRecord(b, records)
	b.ReportMetric(float64(used.Syncs)/float64(records), "fsyncs/op")
	b.ReportMetric(float64(used.BytesWritten)/float64(records*size), "write-amp")
	require.NoError(b, l.Close())
}

// perRecord replaces the time of a benchmark's operation by that of a record.
func perRecord(b *testing.B, records int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(records), "ns/op")
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkAppendBatch shows the other way to share a flush: one caller with
// many records.
func BenchmarkAppendBatch(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("impl=wal/durability=synced/size=128/n=%d", n), func(b *testing.B) {
			l, err := wal.Open(b.TempDir(), wal.Options{})
			require.NoError(b, err)
			records := make([][]byte, n)
			for i := range records {
				records[i] = make([]byte, 128)
			}
			b.ReportAllocs()
			done := 0
			for b.Loop() {
				_, err := l.AppendBatch(records)
				require.NoError(b, err)
				done += n
			}
			perRecord(b, done)
			require.NoError(b, l.Close())
		})
	}
}

// filled returns an open log with n records of 128 bytes.
func filled(b *testing.B, n int) *wal.Log {
	l, err := wal.Open(b.TempDir(), wal.Options{Durability: wal.Buffered})
	require.NoError(b, err)
	record := make([]byte, 128)
	for range n {
		_, err := l.Append(record)
		require.NoError(b, err)
	}
	require.NoError(b, l.Sync())
	b.Cleanup(func() { require.NoError(b, l.Close()) })
	return l
}

func BenchmarkRead(b *testing.B) {
	const n = 100_000
	l := filled(b, n)
	rnd := rand.New(rand.NewPCG(1, 2))
	indexes := make([]uint64, 1<<12)
	for i := range indexes {
		indexes[i] = 1 + rnd.Uint64N(n)
	}
	b.Run("impl=wal/case=random/size=128", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			data, err := l.Read(indexes[i%len(indexes)])
			if err != nil || len(data) != 128 {
				b.Fatal(err)
			}
			i++
		}
	})
}

// BenchmarkAll replays a log, as a store does when it starts.
func BenchmarkAll(b *testing.B) {
	const n = 100_000
	l := filled(b, n)
	b.Run("impl=wal/size=128", func(b *testing.B) {
		b.ReportAllocs()
		records := 0
		for b.Loop() {
			for _, err := range l.All(0) {
				require.NoError(b, err)
				records++
			}
		}
		perRecord(b, records)
	})
}
