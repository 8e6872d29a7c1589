package wal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vfs"
)

// Every byte of every file of a log, damaged, and every length of the last
// file. A log that was closed then gives what it held, or ErrCorrupt. In a log
// that was not closed, what is not yet proven to be on disk (the last commit
// group) may also read as torn, and Stats counts that. Nothing else: no wrong
// data, no missing record, no panic.
//
// Seen to catch, planted in a copy: a checksum not compared; no search for
// proof behind a bad frame, or proof found and ignored; a frame that does not
// say what was on disk; Close without a mark, or with the mark in one group
// with the last records; half a batch kept; a file that ends inside of a frame
// read beyond its end.

// damagedLog is a log whose files are about to be damaged.
type damagedLog struct {
	disk *vfs.Mem
	o    Options
	// What it may hold: the last of these, or one of the others if Stats owns
	// up to a torn tail.
	legal []state
}

// build makes a log with a bit of everything: sealed and recycled segments, a
// retired one, batches, both ends truncated. It is still open.
func build(t *testing.T, d Durability) (*vfs.Mem, *Log) {
	disk := vfs.NewMem()
	l, err := Open(modelDir, Options{FS: disk, Durability: d, SegmentSize: minSegmentSize})
	require.NoError(t, err)
	n := uint64(0)
	add := func(sizes ...int) {
		var b [][]byte
		for _, size := range sizes {
			n++
			b = append(b, payload(n, size))
		}
		_, err := l.AppendBatch(b)
		require.NoError(t, err)
	}
	for l.lastSegment().id < 3 {
		add(900)
	}
	require.NoError(t, l.TruncateFront(l.LastIndex()))
	add(3, 0, 30)
	add(600, 700)
	require.NoError(t, l.TruncateBack(l.LastIndex()-3))
	for l.lastSegment().id < 4 {
		add(500, 10)
	}
	require.True(t, l.lastSegment().recycled)
	require.NoError(t, l.TruncateFront(l.FirstIndex()+1))
	add(77)
	add(40, 9, 600)
	return disk, l
}

func mustState(t testing.TB, l *Log) state {
	t.Helper()
	s, err := stateOf(l)
	require.NoError(t, err)
	return s
}

// open opens the log on a damaged disk and says what is wrong with the result,
// if anything is. The disk is changed.
func (d damagedLog) open(disk *vfs.Mem, thorough bool) (torn bool, err error) {
	o := d.o
	o.FS = disk
	var before []byte
	if thorough {
		before = imageOf(disk)
	}
	verified := Verify(modelDir, o)
	closed, err := collect(Records(modelDir, o))
	if (verified == nil) != (err == nil) {
		return false, fmt.Errorf("Verify says %v, Records %v", verified, err)
	}
	l, err := Open(modelDir, o)
	if (verified == nil) != (err == nil) {
		return false, fmt.Errorf("Verify says %v, Open says %v", verified, err)
	}
	if err != nil {
		if !errors.Is(err, ErrCorrupt) {
			return false, fmt.Errorf("not ErrCorrupt: %w", err)
		}
		if thorough && !slices.Equal(before, imageOf(disk)) {
			return false, fmt.Errorf("refused, but changed the disk: %w", err)
		}
		return false, nil
	}
	defer l.Close()
	got, err := stateOf(l)
	if err != nil {
		return false, fmt.Errorf("Open succeeds, All does not: %w", err)
	}
	if open, err := collect(l.All(0)); err != nil || !slices.EqualFunc(open, closed, equalRecords) {
		return false, fmt.Errorf("Records yields %v, All %v (%w)", closed, open, err)
	}
	torn = l.Stats().TornTails == 1
	want := d.legal[len(d.legal)-1]
	if !got.equal(want) && !(torn && slices.ContainsFunc(d.legal, got.equal)) {
		return torn, fmt.Errorf("holds %v (%+v), and not %v", got, l.Stats(), want)
	}
	for i, data := range got.records {
		b, err := l.Read(got.first + uint64(i))
		if err != nil || string(b) != data {
			return torn, fmt.Errorf("Read(%d): %w", got.first+uint64(i), err)
		}
	}
	if thorough {
		return torn, goesOn(l, o, got)
	}
	return torn, nil
}

// goesOn checks that a repaired log takes another record and keeps it.
func goesOn(l *Log, o Options, want state) error {
	want.records = append(slices.Clone(want.records), "more")
	if _, err := l.Append([]byte("more")); err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	l, err := Open(modelDir, o)
	if err != nil {
		return fmt.Errorf("reopened after the repair: %w", err)
	}
	defer l.Close()
	got, err := stateOf(l)
	if err == nil && !got.equal(want) {
		err = fmt.Errorf("reopened after the repair it holds %v, not %v", got, want)
	}
	return err
}

// imageOf returns the bytes of all files of the log.
func imageOf(disk *vfs.Mem) []byte {
	var all []byte
	entries, _ := disk.List(modelDir)
	for _, e := range entries {
		b, _ := readFile(disk, e.Name)
		all = fmt.Appendf(all, "%s %d:%s", e.Name, e.Size, b)
	}
	return all
}

func readFile(disk *vfs.Mem, name string) ([]byte, error) {
	f, err := disk.Open(filepath.Join(modelDir, name), vfs.ReadOnly, "")
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	_, err = f.ReadAt(b, 0)
	return b, errors.Join(err, f.Close())
}

// damage overwrites bytes of a file, or sets its length if there are none.
func damage(t testing.TB, disk *vfs.Mem, name string, off int64, b []byte) {
	t.Helper()
	f, err := disk.Open(filepath.Join(modelDir, name), vfs.ReadWrite, "")
	require.NoError(t, err)
	if len(b) == 0 {
		require.NoError(t, f.Truncate(off))
	} else {
		_, err = f.WriteAt(b, off)
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())
}

// masks are what to flip in the byte at off: one bit and all bits, or each bit
// by itself as well; one bit where no checksum reaches.
func masks(name string, off int64, every bool) []byte {
	one := byte(1) << (off % 8)
	switch {
	case strings.HasSuffix(name, suffixFree) || off >= headerUsed && off < segmentHeader:
		return []byte{one}
	case every:
		return []byte{1, 2, 4, 8, 16, 32, 64, 128, 255}
	}
	return []byte{one, 255}
}

// flip damages each byte of each file in turn; it returns how many of these
// logs opened, and how many of those called their tail torn.
func (d damagedLog) flip(t *testing.T, every bool) (opened, torn int) {
	t.Helper()
	entries, err := d.disk.List(modelDir)
	require.NoError(t, err)
	tries := 0
	for _, e := range entries {
		b, err := readFile(d.disk, e.Name)
		require.NoError(t, err)
		for off := range b {
			for _, mask := range masks(e.Name, int64(off), every) {
				disk := d.disk.Clone()
				damage(t, disk, e.Name, int64(off), []byte{b[off] ^ mask})
				tries++
				isTorn, err := d.open(disk, tries%17 == 0)
				if err != nil {
					t.Fatalf("%s, byte %d flipped by %#02x: %v", e.Name, off, mask, err)
				}
				if isTorn {
					torn++
				}
			}
		}
	}
	return tries, torn
}

func TestFlipClosed(t *testing.T) {
	t.Parallel()
	disk, l := build(t, Synced)
	want := mustState(t, l)
	require.NoError(t, l.Close())
	d := damagedLog{disk, Options{SegmentSize: minSegmentSize}, []state{want}}
	tries, _ := d.flip(t, form.Long())
	t.Logf("%d flips, all of %v or ErrCorrupt", tries, len(want.records))
}

// Whatever was the last thing before Close is as safe as the rest.
func TestFlipClosedEndings(t *testing.T) {
	t.Parallel()
	some := [][]byte{payload(100, 5), payload(101, 20)}
	endings := map[string]func(l *Log) error{
		"append":         func(l *Log) error { _, err := l.AppendBatch(some); return err },
		"submit":         func(l *Log) error { l.Submit(some); return nil },
		"sync":           func(l *Log) error { l.Submit(some); return l.Sync() },
		"truncate front": func(l *Log) error { return l.TruncateFront(3) },
		"jump":           func(l *Log) error { return l.TruncateFront(99) },
		"truncate back":  func(l *Log) error { return l.TruncateBack(2) },
		"rotation": func(l *Log) error {
			l.Submit(some)
			l.mu.Lock()
			l.lead()
			defer l.follow()
			return l.rotate()
		},
	}
	for name, end := range endings {
		for _, durability := range []Durability{Synced, Flushed, Buffered} {
			for _, crashed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%v/crash=%t", name, durability, crashed), func(t *testing.T) {
					flipEnding(t, durability, end, crashed)
				})
			}
		}
	}
}

// flipEnding closes a log after end; or crashes it there, and then opens and
// closes it.
func flipEnding(t *testing.T, durability Durability, end func(*Log) error, crashed bool) {
	disk := vfs.NewMem()
	o := Options{FS: disk, Durability: durability, SegmentSize: minSegmentSize}
	l, err := Open(modelDir, o)
	require.NoError(t, err)
	for i := range 4 {
		_, err := l.Append(payload(uint64(i), 5*i))
		require.NoError(t, err)
	}
	require.NoError(t, end(l))
	if crashed {
		disk = disk.Clone()
		o.FS = disk
		l, err = Open(modelDir, o)
		require.NoError(t, err)
	}
	require.NoError(t, l.Close())

	l, err = Open(modelDir, o)
	require.NoError(t, err)
	require.Zero(t, l.Stats().TornTails)
	want := mustState(t, l)
	before := imageOf(disk)
	require.NoError(t, l.Close())
	require.Equal(t, len(before), len(imageOf(disk)), "opening and closing makes a log no longer")

	d := damagedLog{disk, o, []state{want}}
	for _, e := range entriesOf(t, disk) {
		b, err := readFile(disk, e.Name)
		require.NoError(t, err)
		for off := segmentHeader; off < len(b); off++ {
			for _, mask := range []byte{1 << (off % 8), 255} {
				damaged := disk.Clone()
				damage(t, damaged, e.Name, int64(off), []byte{b[off] ^ mask})
				_, err := d.open(damaged, false)
				require.NoError(t, err, "%s, byte %d flipped by %#02x", e.Name, off, mask)
			}
		}
	}
}

func entriesOf(t *testing.T, disk *vfs.Mem) []vfs.Entry {
	entries, err := disk.List(modelDir)
	require.NoError(t, err)
	return entries
}

// A log that nobody closed, flipped: the last group may read as torn, and
// nothing before it.
func TestFlipOpen(t *testing.T) {
	t.Parallel()
	last := [][]byte{payload(200, 10), payload(201, 0), payload(202, 100)}
	tests := map[string]func(l *Log) error{
		"batch":          func(l *Log) error { _, err := l.AppendBatch(last); return err },
		"record":         func(l *Log) error { _, err := l.Append(last[2]); return err },
		"truncate front": func(l *Log) error { return l.TruncateFront(l.FirstIndex() + 2) },
		"truncate back":  func(l *Log) error { return l.TruncateBack(l.LastIndex() - 1) },
	}
	for name, call := range tests {
		t.Run(name, func(t *testing.T) {
			disk, l := build(t, Synced)
			before := mustState(t, l)
			group := l.tail.off
			require.NoError(t, call(l))
			d := damagedLog{disk.Clone(), Options{SegmentSize: minSegmentSize}, []state{before, mustState(t, l)}}
			if name == "batch" && !form.Raced() || form.Long() {
				_, torn := d.flip(t, form.Long())
				require.NotZero(t, torn)
				return
			}
			d.flipTail(t, l, group)
		})
	}
	t.Run("flushed", func(t *testing.T) {
		disk, l := build(t, Flushed)
		require.NoError(t, l.Sync())
		group := l.tail.off
		d := damagedLog{o: Options{SegmentSize: minSegmentSize}, legal: []state{mustState(t, l)}}
		for _, b := range [][][]byte{last, last[:1], last} {
			_, err := l.AppendBatch(b)
			require.NoError(t, err)
			d.legal = append(d.legal, mustState(t, l))
		}
		d.disk = disk.Clone()
		d.flipTail(t, l, group-100)
	})
}

// flipTail flips the bytes of the last segment around the last group.
func (d damagedLog) flipTail(t *testing.T, l *Log, group int64) {
	name := filepath.Base(l.lastSegment().name)
	b, err := readFile(d.disk, name)
	require.NoError(t, err)
	torn := 0
	for off := group - 200; off < min(l.tail.off+200, int64(len(b))); off++ {
		for _, mask := range masks(name, off, !form.Raced()) {
			disk := d.disk.Clone()
			damage(t, disk, name, off, []byte{b[off] ^ mask})
			isTorn, err := d.open(disk, off%5 == 0)
			require.NoError(t, err, "%s, byte %d flipped by %#02x", name, off, mask)
			if isTorn {
				torn++
			}
		}
	}
	require.NotZero(t, torn)
}

// The last file, cut to every length. A cut between two frames looks like a
// log that ended there, so what must hold is only that the log is one that
// once was, or refused.
func TestCutShort(t *testing.T) {
	t.Parallel()
	disk, l := build(t, Synced)
	d := damagedLog{o: Options{SegmentSize: minSegmentSize}}
	name := filepath.Base(l.lastSegment().name)
	require.NoError(t, l.TruncateFront(l.lastSegment().start.next)) // so that every cut behind its mark may be an end
	marked := l.tail.off
	for i := range 6 {
		d.legal = append(d.legal, mustState(t, l))
		_, err := l.AppendBatch([][]byte{payload(uint64(i), 3*i), payload(uint64(i), 11)})
		require.NoError(t, err)
	}
	d.legal = append(d.legal, mustState(t, l))
	require.NoError(t, l.Close())
	b, err := readFile(disk, name)
	require.NoError(t, err)
	frames := l.extents[0].anchors[0].off // of the first record that counts
	for size := int64(len(b)); size >= 0; size-- {
		cut := disk.Clone()
		damage(t, cut, name, size, nil)
		o := d.o
		o.FS = cut
		verified := Verify(modelDir, o)
		l, err := Open(modelDir, o)
		require.Equal(t, verified == nil, err == nil, "cut to %d: Verify says %v, Open says %v", size, verified, err)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt, "cut to %d", size)
			require.Less(t, size, marked, "cut to %d: refused, as if it were no torn end: %v", size, err)
			continue
		}
		got := mustState(t, l)
		if size > frames && l.FirstIndex() == d.legal[0].first {
			require.True(t, slices.ContainsFunc(d.legal, got.equal), "cut to %d: holds %v", size, got)
		}
		require.NoError(t, goesOn(l, o, got), "cut to %d", size)
	}
}

// Anything may lie behind the end: it is erased, whatever it is, and the log
// is what it was.
func TestGarbageBehindTheEnd(t *testing.T) {
	t.Parallel()
	disk, l := build(t, Synced)
	want := mustState(t, l)
	name, end := filepath.Base(l.lastSegment().name), l.tail.off
	open := disk.Clone()
	require.NoError(t, l.Close())
	random := seed.New(t)
	for tries := range 200 {
		for _, base := range []*vfs.Mem{disk, open} {
			at := end
			if base == disk {
				at += frameSize(markSize) // that Close has written
			}
			b, err := readFile(base, name)
			require.NoError(t, err)
			garbage := garbageOf(tries, random, b[segmentHeader:at])
			d := damagedLog{base.Clone(), Options{SegmentSize: minSegmentSize}, []state{want}}
			damage(t, d.disk, name, at, garbage)
			o := d.o
			o.FS = d.disk
			l, err := Open(modelDir, o)
			require.NoError(t, err)
			require.Equal(t, want, mustState(t, l))
			zero := !slices.ContainsFunc(garbage, func(c byte) bool { return c != 0 })
			if base == disk {
				require.Equal(t, !zero, l.Stats().TornTails == 1, "%x", garbage[:1])
			}
			require.NoError(t, goesOn(l, o, want))
		}
	}
}

// garbageOf returns chance, ones, zeros, or frames of the file itself.
func garbageOf(kind int, random *rand.Rand, frames []byte) []byte {
	b := make([]byte, frameHeader+random.IntN(3000)) // fewer zeros may pass for a torn header
	for i := range b {
		switch kind % 4 {
		case 0:
			b[i] = byte(random.Uint32()) | 1
		case 1:
			b[i] = 0xff
		}
	}
	if kind%4 == 2 {
		return slices.Clone(frames)
	}
	return b
}

func equalRecords(a, b Record) bool { return a.Index == b.Index && bytes.Equal(a.Data, b.Data) }
