package wal

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/vfs"
)

// What appending costs in memory, and that Stats counts what happened: exact
// figures, so they are asserted and not measured.
//
// Seen to catch, planted in a copy: a buffer that grows with each write into a
// recycled segment and is thrown away; a torn end measured from the bad frame
// and not from the last batch; a truncation whose mark is not synced.

// flat is a disk whose one large file allocates nothing when it is written: in
// vfs.Mem each new page would count as an allocation of the log's.
type flat struct{ vfs.FS }

type flatFile struct{ vfs.File }

func (f flat) Open(name string, mode vfs.Mode, c vfs.Category) (vfs.File, error) {
	file, err := f.FS.Open(name, mode, c)
	return flatFile{file}, err
}

// WriteAt keeps headers, which recycling depends on, and forgets the rest.
func (f flatFile) WriteAt(p []byte, off int64) (int, error) {
	if off < segmentHeader {
		return f.File.WriteAt(p, off)
	}
	return len(p), nil
}

// steady is a log that has all it needs to go on appending; in a recycled
// segment if asked for.
func steady(t *testing.T, d Durability, recycled bool, batch [][]byte) *Log {
	l, err := Open(modelDir, Options{FS: flat{vfs.NewMem()}, Durability: d, SegmentSize: 8 << 20})
	require.NoError(t, err)
	if recycled {
		for l.lastSegment().id < 2 {
			_, err := l.Append(make([]byte, 1<<20))
			require.NoError(t, err)
		}
		require.NoError(t, l.TruncateFront(l.LastIndex()+1))
		for l.lastSegment().id < 3 {
			_, err := l.Append(make([]byte, 1<<20))
			require.NoError(t, err)
		}
		require.True(t, l.lastSegment().recycled)
		l.pending, l.idle = nil, nil // the large records have left large buffers
	}
	for range 100 {
		_, err := l.AppendBatch(batch)
		require.NoError(t, err)
	}
	if d == Buffered {
		l.pending = append(make([]byte, 0, 8<<20), l.pending...) // nor does waiting for a full buffer count
	}
	return l
}

func TestAppendAllocatesNothing(t *testing.T) {
	if form.Raced() {
		t.Skip("the race detector allocates")
	}
	for _, d := range []Durability{Synced, Flushed, Buffered} {
		for _, recycled := range []bool{false, true} {
			for _, n := range []int{0, 8, 40, 100, 128, 488, 1000} {
				t.Run(fmt.Sprintf("%v/recycled=%t/n=%d", d, recycled, n), func(t *testing.T) {
					data := make([]byte, n)
					batch := [][]byte{data, data, data}
					l := steady(t, d, recycled, batch)
					// An anchor for every 4 KiB, in a slice that grows: with
					// batches of three some of them allocate, amortised.
					append1 := testing.AllocsPerRun(500, func() { l.Append(data) })
					require.Less(t, append1, 0.05, "Append")
					append3 := testing.AllocsPerRun(500, func() { l.AppendBatch(batch) })
					require.Less(t, append3, 0.05, "AppendBatch")
					require.NoError(t, l.Sync())
				})
			}
		}
	}
}

// Reading costs the piece that is read and the copy that is handed out.
func TestReadAllocatesTwice(t *testing.T) {
	if form.Raced() {
		t.Skip("the race detector allocates")
	}
	l, err := Open(modelDir, Options{FS: vfs.NewMem()})
	require.NoError(t, err)
	for range 100 {
		_, err := l.Append(make([]byte, 200))
		require.NoError(t, err)
	}
	got := testing.AllocsPerRun(500, func() { l.Read(50) })
	require.LessOrEqual(t, got, 2.0)
	require.NoError(t, l.Close())
}

// Stats after a history whose every figure is known.
func TestStatsAreExact(t *testing.T) {
	disk := vfs.NewMem()
	o := Options{FS: disk, SegmentSize: minSegmentSize, Recycle: 1}
	l, err := Open(modelDir, o)
	require.NoError(t, err)
	require.Equal(t, Stats{Segments: 1}, l.Stats())

	for range 3 {
		_, err = l.Append(make([]byte, 1000))
		require.NoError(t, err)
	}
	_, err = l.AppendBatch([][]byte{make([]byte, 1), make([]byte, 2)})
	require.NoError(t, err)
	require.Equal(t, Stats{Records: 5, Bytes: 3003, Commits: 4, LargestGroup: 2, Syncs: 4, Segments: 1}, l.Stats())

	l.Submit([][]byte{make([]byte, 10)})
	l.Submit([][]byte{make([]byte, 10), nil})
	require.NoError(t, l.Sync())
	require.NoError(t, l.Sync())
	require.Equal(t, Stats{Records: 8, Bytes: 3023, Commits: 5, LargestGroup: 3, Syncs: 5, Segments: 1}, l.Stats())

	_, err = l.Append(make([]byte, 3000)) // a seal, and a record in the next segment
	require.NoError(t, err)
	require.Equal(t, Stats{Records: 9, Bytes: 6023, Commits: 7, LargestGroup: 3, Syncs: 7, Segments: 2}, l.Stats())

	require.NoError(t, l.TruncateFront(9)) // a mark; the first segment is kept
	_, err = l.Append(make([]byte, 3000))  // into it
	require.NoError(t, err)
	require.Equal(t, Stats{Records: 10, Bytes: 9023, Commits: 10, LargestGroup: 3, Syncs: 10, Segments: 2, Recycled: 1}, l.Stats())
}

// TornBytes is what lay behind the last whole batch, to its last byte.
func TestTornBytesAreExact(t *testing.T) {
	whole := frameSize(100)
	tests := map[string]struct {
		records [][]byte
		at      int64 // the byte that is damaged, within the last group
		torn    int64
	}{
		"one record, its data":     {[][]byte{payload(1, 100)}, frameHeader + 50, frameHeader + 100},
		"one record, its header":   {[][]byte{payload(1, 100)}, 9, frameHeader + 100},
		"the last of three":        {[][]byte{payload(1, 100), payload(2, 100), payload(3, 100)}, 2*whole + 30, 2*whole + frameHeader + 100},
		"the first of three":       {[][]byte{payload(1, 100), payload(2, 100), payload(3, 100)}, 30, 2*whole + frameHeader + 100},
		"a whole number of eights": {[][]byte{payload(1, 96)}, 30, frameHeader + 96},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewMem()
			l, err := Open(modelDir, Options{FS: disk})
			require.NoError(t, err)
			_, err = l.Append([]byte("before"))
			require.NoError(t, err)
			group := l.tail.off
			_, err = l.AppendBatch(test.records)
			require.NoError(t, err)

			crashed := disk.Clone()
			name := segmentName(1, suffixLive)
			b, err := readFile(crashed, name)
			require.NoError(t, err)
			damage(t, crashed, name, group+test.at, []byte{b[group+test.at] ^ 0x55})
			l, err = Open(modelDir, Options{FS: crashed})
			require.NoError(t, err)
			require.EqualValues(t, 1, l.Stats().TornTails)
			require.EqualValues(t, test.torn, l.Stats().TornBytes)
			require.EqualValues(t, 1, l.LastIndex())
			require.NoError(t, l.Close())
			l, err = Open(modelDir, Options{FS: crashed})
			require.NoError(t, err)
			require.Zero(t, l.Stats().TornTails, "it was erased")
		})
	}
}
