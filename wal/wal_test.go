package wal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
)

// openMem opens the log "log" on a disk in memory, with small segments.
func openMem(t *testing.T, disk vfs.FS, o Options) *Log {
	t.Helper()
	o.FS = disk
	if o.SegmentSize == 0 {
		o.SegmentSize = minSegmentSize
	}
	l, err := Open("log", o)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// contents reads the whole log, once with All and once with Read, and requires
// that both say the same.
func contents(t *testing.T, l *Log) []string {
	t.Helper()
	var all []string
	next := l.FirstIndex()
	for r, err := range l.All(0) {
		require.NoError(t, err)
		require.Equal(t, next, r.Index)
		data, err := l.Read(r.Index)
		require.NoError(t, err)
		require.Equal(t, string(r.Data), string(data))
		all = append(all, string(r.Data))
		next++
	}
	require.Equal(t, l.LastIndex()+1, next)
	return all
}

func TestEmptyLog(t *testing.T) {
	disk := vfs.NewMem()
	l := openMem(t, disk, Options{})
	for range 2 {
		require.EqualValues(t, 1, l.FirstIndex())
		require.EqualValues(t, 0, l.LastIndex())
		require.EqualValues(t, 0, l.DurableIndex())
		require.Empty(t, contents(t, l))
		_, err := l.Read(1)
		require.ErrorIs(t, err, ErrNotFound)
		first, err := l.AppendBatch(nil)
		require.NoError(t, err)
		require.EqualValues(t, 1, first)
		require.NoError(t, l.Sync())
		require.NoError(t, l.Close())
		require.NoError(t, l.Close(), "closing twice")
		l = openMem(t, disk, Options{})
	}
}

// A clear error for each kind of bad input, with nothing done.
func TestBadInput(t *testing.T) {
	disk := vfs.NewMem()
	l := openMem(t, disk, Options{})
	_, err := l.AppendBatch([][]byte{[]byte("a"), []byte("b")})
	require.NoError(t, err)

	t.Run("record above the limit", func(t *testing.T) {
		_, err := l.Append(make([]byte, minSegmentSize))
		require.ErrorIs(t, err, ErrTooLarge)
		require.EqualError(t, err, "wal: too large for a segment: 1 records take 8216 bytes, a segment has 4056")
		_, err = l.Submit([][]byte{make([]byte, 3000), make([]byte, 3000)}).Wait(context.Background())
		require.ErrorIs(t, err, ErrTooLarge)
		_, err = l.Append(make([]byte, minSegmentSize-segmentHeader-frameSize(markSize)-frameHeader))
		require.NoError(t, err, "the largest that fits")
		require.NoError(t, l.TruncateBack(2))
	})
	t.Run("index out of range", func(t *testing.T) {
		for _, i := range []uint64{0, 3, 1 << 60} {
			_, err := l.Read(i)
			require.ErrorIs(t, err, ErrNotFound)
			require.ErrorContains(t, err, fmt.Sprintf("%d, the log holds 1 to 2", i))
		}
		for _, err := range l.All(4) {
			require.ErrorIs(t, err, ErrNotFound)
		}
		for range l.All(3) {
			t.Fatal("behind the last record there is nothing, and that is no error")
		}
		require.ErrorIs(t, l.TruncateBack(3), ErrNotFound)
		require.ErrorIs(t, l.TruncateBack(^uint64(0)), ErrNotFound)
		require.ErrorContains(t, l.TruncateFront(1<<60), "indexes end at")
		require.NoError(t, l.TruncateFront(0), "already true")
		require.Equal(t, []string{"a", "b"}, contents(t, l))
	})
	t.Run("open elsewhere", func(t *testing.T) {
		_, err := Open("log", Options{FS: disk})
		require.ErrorIs(t, err, ErrLocked)
		require.ErrorIs(t, Verify("log", Options{FS: disk}), ErrLocked)
	})
	t.Run("closed", func(t *testing.T) {
		ticket := l.Submit([][]byte{[]byte("c")})
		require.NoError(t, l.Close())
		first, err := ticket.Wait(context.Background())
		require.NoError(t, err, "Close commits what was submitted")
		require.EqualValues(t, 3, first)
		_, err = l.Append(nil)
		require.ErrorIs(t, err, ErrClosed)
		_, err = l.Submit([][]byte{nil}).Wait(context.Background())
		require.ErrorIs(t, err, ErrClosed)
		_, err = l.Read(1)
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorIs(t, l.Sync(), ErrClosed)
		require.ErrorIs(t, l.TruncateFront(2), ErrClosed)
		require.ErrorIs(t, l.TruncateBack(1), ErrClosed)
		for _, err := range l.All(0) {
			require.ErrorIs(t, err, ErrClosed)
		}
		for _, err := range l.Follow(context.Background(), 1) {
			require.ErrorIs(t, err, ErrClosed)
		}
	})
	t.Run("options", func(t *testing.T) {
		for _, o := range []Options{{SegmentSize: 100}, {SegmentSize: 1 << 50}, {SegmentSize: -1}, {Durability: 3}} {
			o.FS = vfs.NewMem()
			_, err := Open("log", o)
			require.ErrorContains(t, err, "options")
		}
	})
}

func TestDirectoryOfAnotherFormat(t *testing.T) {
	write := func(t *testing.T, name string, data []byte) *vfs.Mem {
		disk := vfs.NewMem()
		require.NoError(t, disk.MkdirAll("log"))
		file, err := disk.Open(name, vfs.Create, "")
		require.NoError(t, err)
		_, err = file.WriteAt(data, 0)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		return disk
	}
	newer := encodeHeader(1, 1, bounds{1, 1})
	newer[8] = 2
	putChecksum(newer)
	for _, c := range []struct {
		name, file string
		data       []byte
		is         error
		says       string
	}{
		{"a file of something else", "log/00000000000000000001", []byte("x"), ErrFormat, `"00000000000000000001"`},
		{"a segment by name only", "log/0000000000000001.wal", make([]byte, 5000), ErrFormat, "it starts with"},
		{"an empty segment", "log/0000000000000001.wal", nil, ErrCorrupt, "header cut short"},
		{"a later version", "log/0000000000000001.wal", newer, ErrFormat, "version 2, this package reads version 1"},
		{"the header of another", "log/0000000000000001.wal", encodeHeader(1, 2, bounds{1, 1}), ErrCorrupt, "segment 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := write(t, c.file, c.data)
			for range 2 { // nothing is changed by trying
				_, err := Open("log", Options{FS: disk})
				require.ErrorIs(t, err, c.is)
				require.ErrorContains(t, err, c.says)
				require.ErrorIs(t, Verify("log", Options{FS: disk}), c.is)
			}
		})
	}
}

// What the operating system refuses is passed on with the path.
func TestDirectoryThatCannotBeUsed(t *testing.T) {
	t.Run("no directory", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(name, nil, 0o644))
		_, err := Open(filepath.Join(name, "log"), Options{})
		require.ErrorContains(t, err, name)
		require.ErrorIs(t, Verify(filepath.Join(t.TempDir(), "nothing"), Options{}), fs.ErrNotExist)
	})
	t.Run("read-only", func(t *testing.T) {
		if runtime.GOOS == "windows" || os.Geteuid() == 0 {
			t.Log("file modes do not bind this user; the refusal itself is injected in TestEveryOperationFailsOnce")
			return
		}
		dir := t.TempDir()
		require.NoError(t, os.Chmod(dir, 0o555))
		_, err := Open(dir, Options{})
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorContains(t, err, dir)
	})
}

func TestTruncate(t *testing.T) {
	for _, d := range []Durability{Synced, Flushed, Buffered} {
		t.Run(d.String(), func(t *testing.T) {
			disk := vfs.NewMem()
			l := openMem(t, disk, Options{Durability: d})
			reopen := func() {
				require.NoError(t, l.Close())
				require.NoError(t, Verify("log", Options{FS: disk}))
				l = openMem(t, disk, Options{Durability: d})
			}
			for i := range 300 {
				_, err := l.Append(fmt.Appendf(nil, "%d", i+1))
				require.NoError(t, err)
			}
			check := func(first, last uint64, tail string) {
				t.Helper()
				for range 2 {
					require.Equal(t, first, l.FirstIndex())
					require.Equal(t, last, l.LastIndex())
					all := contents(t, l)
					require.Len(t, all, int(last+1-first))
					require.True(t, len(all) == 0 || all[len(all)-1] == tail, "%v", all)
					reopen()
				}
			}
			before := l.Stats().Segments
			require.NoError(t, l.TruncateFront(200))
			require.Less(t, l.Stats().Segments, before, "segments are retired")
			check(200, 300, "300")
			require.NoError(t, l.TruncateBack(250))
			check(200, 250, "250")
			i, err := l.Append([]byte("new"))
			require.NoError(t, err)
			require.EqualValues(t, 251, i)
			check(200, 251, "new")
			require.NoError(t, l.TruncateBack(199), "everything")
			check(200, 199, "")
			require.NoError(t, l.TruncateFront(1000), "a gap: the next record gets this index")
			check(1000, 999, "")
			i, err = l.Append([]byte("far"))
			require.NoError(t, err)
			require.EqualValues(t, 1000, i)
			check(1000, 1000, "far")
		})
	}
}

// Retired files are written over, and what they held before never shows.
func TestRecycledSegments(t *testing.T) {
	disk := vfs.NewMem()
	l := openMem(t, disk, Options{Recycle: 1})
	for i := range 500 {
		index, err := l.Append([]byte(strings.Repeat(fmt.Sprint(i%10), 100)))
		require.NoError(t, err)
		if i%20 == 19 {
			require.NoError(t, l.TruncateFront(index-5))
		}
	}
	s := l.Stats()
	require.Greater(t, s.Recycled, uint64(5))
	require.Less(t, s.Segments, 4)

	crashed := openMem(t, disk.Clone(), Options{})
	require.Equal(t, contents(t, l), contents(t, crashed))
	require.Zero(t, crashed.Stats().TornTails, "stale bytes are no torn record")
	entries, err := disk.List("log")
	require.NoError(t, err)
	require.LessOrEqual(t, len(entries), s.Segments+2, "one spare file, the lock: %v", entries)
}

// What a missing file takes away is noticed, if it held live records.
func TestMissingSegment(t *testing.T) {
	build := func(t *testing.T) (*vfs.Mem, []string) {
		disk := vfs.NewMem()
		l := openMem(t, disk, Options{})
		for range 10 {
			_, err := l.Append(make([]byte, 1800))
			require.NoError(t, err)
		}
		require.NoError(t, l.Close())
		entries, err := disk.List("log")
		require.NoError(t, err)
		var names []string
		for _, e := range entries {
			if strings.HasSuffix(e.Name, suffixLive) {
				names = append(names, "log/"+e.Name)
			}
		}
		require.Greater(t, len(names), 3)
		return disk, names
	}
	_, names := build(t)
	for i, name := range names {
		disk, _ := build(t)
		require.NoError(t, disk.Remove(name))
		_, err := Open("log", Options{FS: disk})
		require.ErrorIs(t, err, ErrCorrupt, "segment %d of %d", i+1, len(names))
		require.ErrorContains(t, err, "missing")
		after, err := disk.List("log")
		require.NoError(t, err)
		require.Len(t, after, len(names), "nothing deleted: %v", after)
	}
}

// Mixing the files of two logs is noticed.
func TestSegmentOfAnotherLog(t *testing.T) {
	image := func(log, id uint64) []byte { return encodeHeader(log, id, bounds{1, 1}) }
	disk := vfs.NewMem()
	require.NoError(t, disk.MkdirAll("log"))
	for id := uint64(1); id <= 2; id++ {
		file, err := disk.Open("log/"+segmentName(id, suffixLive), vfs.Create, "")
		require.NoError(t, err)
		_, err = file.WriteAt(image(id, id), 0)
		require.NoError(t, err)
	}
	_, err := Open("log", Options{FS: disk})
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "belongs to another log")
}

// An iteration that a truncation overtakes says so instead of mixing times.
func TestAllWhileTruncating(t *testing.T) {
	build := func(t *testing.T) *Log {
		l := openMem(t, vfs.NewMem(), Options{SegmentSize: 1 << 20})
		for range 5000 {
			l.Submit([][]byte{make([]byte, 100)})
		}
		require.NoError(t, l.Sync())
		return l
	}
	t.Run("back", func(t *testing.T) {
		l := build(t)
		var last error
		for r, err := range l.All(0) {
			if last = err; r.Index == 10 {
				require.NoError(t, l.TruncateBack(5))
				for range 5000 {
					l.Submit([][]byte{[]byte("new")})
				}
				require.NoError(t, l.Sync())
			}
			require.NotEqual(t, "new", string(r.Data))
		}
		require.ErrorIs(t, last, ErrNotFound)
	})
	t.Run("front", func(t *testing.T) {
		l := build(t)
		var last error
		for r, err := range l.All(0) {
			if last = err; r.Index == 10 {
				require.NoError(t, l.TruncateFront(4990))
			}
		}
		require.ErrorIs(t, last, ErrNotFound)
	})
	t.Run("behind", func(t *testing.T) {
		l := build(t)
		n := 0
		for r, err := range l.All(0) {
			require.NoError(t, err)
			if n++; r.Index == 10 {
				require.NoError(t, l.TruncateBack(4000))
				require.NoError(t, l.TruncateFront(10))
			}
		}
		require.Equal(t, 4000, n)
	})
}

func TestFollow(t *testing.T) {
	l := openMem(t, vfs.NewMem(), Options{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	seen := make(chan uint64)
	end := make(chan error, 1)
	go func() {
		for r, err := range l.Follow(ctx, 1) {
			if err != nil {
				end <- err
				return
			}
			seen <- r.Index
		}
	}()
	for i := range uint64(500) {
		index, err := l.Append(make([]byte, 50))
		require.NoError(t, err)
		require.Equal(t, i+1, index)
		require.Equal(t, index, <-seen)
	}
	cancel()
	require.ErrorIs(t, <-end, context.Canceled)
	for _, err := range l.Follow(ctx, 1) {
		require.ErrorIs(t, err, context.Canceled, "a context that is done already")
	}

	go func() {
		for _, err := range l.Follow(context.Background(), 501) {
			end <- err
		}
	}()
	require.NoError(t, l.Close())
	require.True(t, errors.Is(<-end, ErrClosed))
}

// putChecksum makes a changed header valid again.
func putChecksum(header []byte) {
	binary.LittleEndian.PutUint32(header[12:], headerChecksum(header))
}

// TestWaitFor submits to logs of each durability and waits for each: what a crash of
// the process leaves is what was waited for, whatever the log's own. Planted and
// caught: a WaitFor that takes the log's durability for less than it was asked.
func TestWaitFor(t *testing.T) {
	for own := Synced; own <= Buffered; own++ {
		for asked := Synced; asked <= Buffered; asked++ {
			disk := vfs.NewMem()
			l, err := Open("log", Options{FS: disk, Durability: own})
			require.NoError(t, err)
			ticket := l.Submit([][]byte{[]byte("a record")})
			require.NoError(t, ticket.Err())
			first, err := ticket.WaitFor(t.Context(), asked)
			require.NoError(t, err)
			require.EqualValues(t, 1, first)
			left, err := collect(Records("log", Options{FS: disk.Clone()})) // as a killed process leaves it
			require.NoError(t, err)
			require.Equal(t, asked != Buffered, len(left) == 1, "log %v, asked %v", own, asked)
			require.Equal(t, asked == Synced, l.DurableIndex() == 1, "log %v, asked %v", own, asked)
			require.NoError(t, l.Close())
			ticket = l.Submit([][]byte{[]byte("late")})
			require.ErrorIs(t, ticket.Err(), ErrClosed)
		}
	}
}
