package wal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vfs"
)

// The log against a slice: random operations, and after each of them the log
// must hold what the slice holds, and its insides must agree with each other.
//
// Seen to catch, planted in a copy: no new extent after a cut; anchors of what
// was cut kept; a jump of TruncateFront that leaves the next index where it
// was; one segment retired where several are dead; Close without what is
// pending; Flushed acknowledged before it is written; the segment's number left
// out of the seed; no end behind the last frame in a recycled segment.

const modelDir = "/log"

// payload returns n bytes that only this id has: its number, and then a
// pattern with long runs of zero bytes, which must not look like an end.
func payload(id uint64, n int) []byte {
	b := make([]byte, n)
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], id*0x9e3779b97f4a7c15+1)
	copy(b, word[:])
	for i := 8; i < n; i++ {
		if i/600%2 == 0 {
			b[i] = word[i%8] ^ byte(i)
		}
	}
	return b
}

// model is what the log ought to hold.
type model struct {
	first   uint64
	records [][]byte
	ends    []bool // a crash may leave the log ending here: the record is the last of its batch
}

func (m *model) next() uint64 { return m.first + uint64(len(m.records)) }

// cut is TruncateBack, and what a crash does to records that were not acknowledged.
func (m *model) cut(next uint64) {
	n := int(next - m.first)
	m.records, m.ends = m.records[:n], m.ends[:n]
	if n > 0 {
		m.ends[n-1] = true
	}
}

func (m *model) dropFront(first uint64) {
	switch {
	case first > m.next():
		*m = model{first: first}
	case first > m.first:
		n := first - m.first
		m.records, m.ends, m.first = m.records[n:], m.ends[n:], first
	}
}

// submitted is a ticket, and what it has to answer.
type submitted struct {
	ticket *Ticket
	first  uint64
}

// rig is a log under test with its model.
type rig struct {
	t  testing.TB
	fs *vfs.Mem
	o  Options
	l  *Log

	m       model
	acked   uint64 // records below were acknowledged: readers see them
	safe    uint64 // records below survive the crash of the process
	nextID  uint64
	tickets []submitted
	input   []byte
	step    int
	last    string // what the step did, for messages
}

// runOperations interprets input, to its end.
func runOperations(t testing.TB, input []byte) {
	r := &rig{t: t, fs: vfs.NewMem(), m: model{first: 1}, acked: 1, safe: 1, input: input}
	r.o = r.options()
	r.open()
	for len(r.input) > 0 {
		r.step++
		r.operate()
		r.check()
	}
	r.reopen()
	r.check()
	require.NoError(t, r.l.Close())
}

// take returns the next byte of the input, or 0.
func (r *rig) take() int {
	if len(r.input) == 0 {
		return 0
	}
	b := r.input[0]
	r.input = r.input[1:]
	return int(b)
}

func (r *rig) options() Options {
	b := r.take()
	sizes := []int64{minSegmentSize, minSegmentSize + 1000, 3 * minSegmentSize, 1 << 20}
	return Options{
		FS:          r.fs,
		Durability:  Durability(b % 3),
		SegmentSize: sizes[b/3%4],
		Recycle:     b/12%4 - 1,
	}
}

func (r *rig) open() {
	require.NoError(r.t, Verify(r.mkdir(), r.o))
	closed, err := collect(Records(modelDir, r.o))
	require.NoError(r.t, err, r.where())
	first, next, err := Bounds(modelDir, r.o)
	require.NoError(r.t, err, r.where())
	l, err := Open(modelDir, r.o)
	require.NoError(r.t, err, r.where())
	r.l = l
	open, err := collect(l.All(0))
	require.NoError(r.t, err, r.where())
	require.Equal(r.t, closed, open, r.where())
	require.Equal(r.t, []uint64{first, next}, []uint64{l.FirstIndex(), l.LastIndex() + 1}, r.where())
	invariantRetired(r.t, l, r.where())
}

// collect returns what an iteration yields, and the error that ended it.
func collect(records iter.Seq2[Record, error]) (all []Record, err error) {
	for r, err := range records {
		if err != nil {
			return all, err
		}
		all = append(all, r)
	}
	return all, nil
}

func (r *rig) mkdir() string {
	require.NoError(r.t, r.fs.MkdirAll(modelDir))
	return modelDir
}

func (r *rig) where() string {
	return fmt.Sprintf("step %d: %s (%v, segments of %d, recycle %d)", r.step, r.last, r.o.Durability, r.o.SegmentSize, r.o.Recycle)
}

// operate does one thing. The first byte says what, the following say with
// which numbers.
func (r *rig) operate() {
	switch op := r.take() % 32; {
	case op < 9:
		r.append(r.batch(1, 200))
	case op < 10:
		r.append(r.batch(1, int(r.room())))
	case op < 14:
		r.append(r.batch(1+r.take()%7, 150))
	case op < 18:
		r.submit(r.batch(1+r.take()%3, 150))
	case op < 20:
		r.wait()
	case op < 21:
		r.last = "sync"
		require.NoError(r.t, r.l.Sync(), r.where())
		require.Equal(r.t, r.m.next()-1, r.l.DurableIndex(), r.where())
		r.settle()
	case op < 22:
		r.read()
	case op < 23:
		r.all()
	case op < 25:
		r.truncateFront()
	case op < 27:
		r.truncateBack()
	case op < 29:
		r.reopen()
	case op < 31:
		r.crash()
	default:
		r.refuse()
	}
}

// room is the largest record that fits.
func (r *rig) room() int64 {
	return r.o.SegmentSize&^7 - segmentHeader - frameSize(markSize) - frameHeader
}

// batch makes n records of up to most bytes.
func (r *rig) batch(n, most int) [][]byte {
	var b [][]byte
	for range n {
		size := r.take() * most / 255
		if size > 1<<16 {
			size = 1 << 16
		}
		r.nextID++
		b = append(b, payload(r.nextID, size))
	}
	return b
}

// issue enters a batch into the model.
func (r *rig) issue(b [][]byte) (first uint64) {
	first = r.m.next()
	for i, data := range b {
		r.m.records = append(r.m.records, data)
		r.m.ends = append(r.m.ends, i == len(b)-1)
	}
	return first
}

// settle notes that everything issued is acknowledged and on disk.
func (r *rig) settle() { r.acked, r.safe = r.m.next(), r.m.next() }

func (r *rig) append(b [][]byte) {
	r.last = fmt.Sprintf("append %d records, the first of %d bytes", len(b), len(b[0]))
	want := r.issue(b)
	first, err := r.l.AppendBatch(b)
	require.NoError(r.t, err, r.where())
	require.Equal(r.t, want, first, r.where())
	r.acked = r.m.next()
	if r.o.Durability != Buffered {
		r.safe = r.acked
	}
	for i := range b[0] {
		b[0][i] ^= 0xff // the log must have its own copy …
	}
	for i := range b[0] {
		b[0][i] ^= 0xff // … and the model needs this one
	}
}

func (r *rig) submit(b [][]byte) {
	r.last = fmt.Sprintf("submit %d records", len(b))
	want := r.issue(b)
	r.tickets = append(r.tickets, submitted{r.l.Submit(b), want})
	if r.o.Durability == Buffered {
		r.acked = r.m.next()
	}
}

// wait waits for any ticket there is, in any order.
func (r *rig) wait() {
	r.last = "wait"
	if len(r.tickets) == 0 {
		return
	}
	i := r.take() % len(r.tickets)
	s := r.tickets[i]
	r.tickets = slices.Delete(r.tickets, i, i+1)
	first, err := s.ticket.Wait(context.Background())
	require.NoError(r.t, err, r.where())
	require.Equal(r.t, s.first, first, r.where())
	r.settleSubmitted()
}

// settleSubmitted notes that one wait has committed everything pending.
func (r *rig) settleSubmitted() {
	if r.o.Durability != Buffered && r.l.LastIndex() == r.m.next()-1 {
		r.settle()
	}
}

// index picks a place in the log or a little beyond.
func (r *rig) index() uint64 {
	n := uint64(len(r.m.records))
	return r.m.first - 1 + uint64(r.take())*(n+2)/255
}

func (r *rig) read() {
	i := r.index()
	r.last = fmt.Sprintf("read %d", i)
	got, err := r.l.Read(i)
	if i < r.m.first || i > r.l.LastIndex() {
		require.ErrorIs(r.t, err, ErrNotFound, r.where())
		return
	}
	require.NoError(r.t, err, r.where())
	require.Equal(r.t, len(r.m.records[i-r.m.first]), len(got), r.where())
	require.Equal(r.t, append([]byte{}, r.m.records[i-r.m.first]...), got, r.where())
}

func (r *rig) all() {
	i := r.index()
	r.last = fmt.Sprintf("all from %d", i)
	next := max(i, r.m.first)
	for rec, err := range r.l.All(i) {
		if i != 0 && (i < r.m.first || i > r.l.LastIndex()+1) {
			require.ErrorIs(r.t, err, ErrNotFound, r.where())
			return
		}
		require.NoError(r.t, err, r.where())
		require.Equal(r.t, next, rec.Index, r.where())
		next++
	}
	require.Equal(r.t, r.l.LastIndex()+1, next, r.where())
}

func (r *rig) truncateFront() {
	i := r.index() + uint64(r.take()/200*r.take()) // now and then far beyond
	r.last = fmt.Sprintf("truncate front to %d", i)
	before := r.m.first
	require.NoError(r.t, r.l.TruncateFront(i), r.where())
	r.m.dropFront(i)
	if r.m.first != before {
		r.settle()
		invariantRetired(r.t, r.l, r.where())
	}
	r.acked, r.safe = max(r.acked, r.m.first), max(r.safe, r.m.first)
}

func (r *rig) truncateBack() {
	i := r.index()
	r.last = fmt.Sprintf("truncate back to %d", i)
	err := r.l.TruncateBack(i)
	if i+1 < r.m.first || i >= r.m.next() {
		require.ErrorIs(r.t, err, ErrNotFound, r.where())
		return
	}
	require.NoError(r.t, err, r.where())
	if i+1 != r.m.next() {
		r.m.cut(i + 1)
		r.settle()
		invariantRetired(r.t, r.l, r.where())
	}
}

func (r *rig) reopen() {
	r.last = "close and open"
	require.NoError(r.t, r.l.Close(), r.where())
	require.NoError(r.t, r.l.Close(), "closing again does nothing")
	r.settle()
	for _, s := range r.tickets {
		first, err := s.ticket.Wait(context.Background())
		require.NoError(r.t, err, "%s: Close has committed it", r.where())
		require.Equal(r.t, s.first, first, r.where())
	}
	r.tickets = nil
	r.o = r.options()
	r.open()
	require.Zero(r.t, r.l.Stats().TornTails, r.where())
}

// crash kills the process, but not the machine: what was handed to the
// operating system is there.
func (r *rig) crash() {
	r.last = "crash"
	r.fs = r.fs.Clone()
	r.tickets = nil
	r.o = r.options()
	r.open()
	require.Zero(r.t, r.l.Stats().TornTails, "%s: every write was whole", r.where())
	next := r.l.LastIndex() + 1
	require.LessOrEqual(r.t, r.safe, next, "%s: acknowledged records are gone", r.where())
	require.LessOrEqual(r.t, next, r.m.next(), "%s: records that nobody wrote", r.where())
	if next > r.m.first {
		require.True(r.t, r.m.ends[next-1-r.m.first], "%s: half a batch, up to %d", r.where(), next-1)
	}
	r.m.cut(next)
	r.settle()
}

// refuse does what must do nothing.
func (r *rig) refuse() {
	r.last = "append what does not fit, and nothing"
	_, err := r.l.Append(make([]byte, r.room()+1))
	require.ErrorIs(r.t, err, ErrTooLarge, r.where())
	_, err = r.l.Submit([][]byte{nil, make([]byte, r.room())}).Wait(context.Background())
	require.ErrorIs(r.t, err, ErrTooLarge, r.where())
	next, err := r.l.AppendBatch(nil)
	require.NoError(r.t, err, r.where())
	require.Equal(r.t, r.m.next(), next, r.where())
	r.settleSubmitted()
	require.NoError(r.t, r.l.TruncateFront(0), r.where())
	require.ErrorIs(r.t, r.l.TruncateBack(1<<64-1), ErrNotFound, r.where())
	require.Error(r.t, r.l.TruncateFront(maxIndex+1), r.where())
	_, err = Open(modelDir, r.o)
	require.ErrorIs(r.t, err, ErrLocked, r.where())
	require.ErrorIs(r.t, Verify(modelDir, r.o), ErrLocked, r.where())
}

// check compares the log with the model.
func (r *rig) check() {
	t, where := r.t, r.where()
	first, next := r.l.FirstIndex(), r.l.LastIndex()+1
	require.Equal(t, r.m.first, first, where)
	require.LessOrEqual(t, r.acked, next, where)
	require.LessOrEqual(t, next, r.m.next(), where)
	if next > first {
		require.True(t, r.m.ends[next-1-first] || r.o.Durability == Buffered, "%s: readers see half a batch", where)
	}
	require.LessOrEqual(t, r.l.DurableIndex(), r.m.next()-1, where)
	i := first
	for rec, err := range r.l.All(0) {
		require.NoError(t, err, where)
		require.Equal(t, i, rec.Index, where)
		if string(rec.Data) != string(r.m.records[i-first]) {
			t.Fatalf("%s: record %d is not what was written", where, i)
		}
		i++
	}
	require.Equal(t, next, i, where)
	invariant(t, r.l, where)
}

// invariant checks that a log at rest agrees with itself and with its files.
func invariant(t testing.TB, l *Log, where string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.err, ErrClosed) {
		return
	}
	require.False(t, l.leading, where)
	require.Nil(t, l.waiting.head, where)
	require.Nil(t, l.waiting.tail, where)
	invariantProgress(t, l, where)
	invariantSegments(t, l, where)
	invariantExtents(t, l, where)
}

func invariantProgress(t testing.TB, l *Log, where string) {
	require.Equal(t, l.bounds.next, l.encoded.next, where)
	require.LessOrEqual(t, l.bounds.first, l.bounds.next, where)
	require.LessOrEqual(t, l.written.next, l.encoded.next, where)
	require.LessOrEqual(t, l.synced.next, l.written.next, where)
	require.LessOrEqual(t, l.written.bytes, l.encoded.bytes, where)
	require.LessOrEqual(t, l.synced.bytes, l.written.bytes, where)
	require.LessOrEqual(t, l.bounds.first, l.synced.next, "%s: the log begins with what is not on disk", where)
	require.EqualValues(t, l.encoded.bytes-l.written.bytes, len(l.pending), where)
	require.Equal(t, l.tail.off+int64(len(l.pending)), l.pendingOff, where)
	require.LessOrEqual(t, l.tail.synced, l.tail.off, where)
	if l.written == l.synced {
		require.Equal(t, l.tail.off, l.tail.synced, where)
	}
}

// invariantRetired: the first segment is there for a reason. That holds after
// Open and after a truncation that changed something; later the segment that
// an empty log had at its end may be passed by.
func invariantRetired(t testing.TB, l *Log, where string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.segments[0] != l.tail.seg {
		require.NotEmpty(t, l.extents, "%s: segments without a record before the tail", where)
		require.Same(t, l.extents[0].seg, l.segments[0], "%s: a segment that nobody needs", where)
	}
}

// invariantSegments: numbers without gaps, each begins where it should, and
// the directory holds these files and no others.
func invariantSegments(t testing.TB, l *Log, where string) {
	require.NotEmpty(t, l.segments, where)
	require.Same(t, l.tail.seg, l.lastSegment(), where)
	files := []string{lockName}
	for i, s := range l.segments {
		require.Equal(t, l.segments[0].id+uint64(i), s.id, where)
		require.Equal(t, frameSeed(l.id, s.id), s.seed, where)
		require.Equal(t, 0, s.readers, where)
		require.Equal(t, filepath.Join(l.dir, segmentName(s.id, suffixLive)), s.name, where)
		if i > 0 {
			require.LessOrEqual(t, l.segments[i-1].start.first, s.start.first, where)
		}
		require.Zero(t, s.end%8, where)
		files = append(files, filepath.Base(s.name))
	}
	require.Equal(t, l.tail.off, l.tail.seg.end, where)
	files = append(files, l.spare...)
	entries, err := l.fs.List(l.dir)
	require.NoError(t, err, where)
	var found []string
	for _, e := range entries {
		found = append(found, e.Name)
	}
	require.ElementsMatch(t, files, found, where)

	r := newScanner(l.tail.seg, 1<<62)
	_, err = r.decode(l.tail.off)
	require.Error(t, err, "%s: a frame lies behind the end", where)
}

// invariantExtents: from the first record to the last without a gap, in the
// order of the segments, and every anchor points at the frame of its record.
func invariantExtents(t testing.TB, l *Log, where string) {
	if l.bounds.first == l.bounds.next {
		require.Empty(t, l.extents, where)
		return
	}
	require.NotEmpty(t, l.extents, where)
	require.LessOrEqual(t, l.extents[0].first, l.bounds.first, where)
	require.Less(t, l.bounds.first, l.extents[0].next, "%s: an extent before the first record", where)
	require.Equal(t, l.bounds.next, l.extents.last().next, where)
	for i, x := range l.extents {
		require.Less(t, x.first, x.next, where)
		require.Contains(t, l.segments, x.seg, where)
		require.NotEmpty(t, x.anchors, where)
		require.Equal(t, x.first, x.anchors[0].index, where)
		if i > 0 {
			before := l.extents[i-1]
			require.Equal(t, before.next, x.first, where)
			require.LessOrEqual(t, before.seg.id, x.seg.id, where)
			if before.seg == x.seg {
				require.LessOrEqual(t, before.end, x.anchors[0].off, where)
			}
		}
		for j, a := range x.anchors {
			if j > 0 {
				require.Less(t, x.anchors[j-1].index, a.index, where)
				require.LessOrEqual(t, x.anchors[j-1].off+anchorGap, a.off, where)
			}
			require.Less(t, a.index, x.next, where)
			invariantAnchor(t, l, x, a, where)
		}
	}
}

func invariantAnchor(t testing.TB, l *Log, x *extent, a anchor, where string) {
	if a.off >= x.seg.end {
		require.Same(t, l.tail.seg, x.seg, "%s: an anchor outside of its segment", where)
		require.Less(t, a.off, l.pendingOff, where)
		return
	}
	f, err := newScanner(x.seg, x.seg.end).decode(a.off)
	require.NoError(t, err, "%s: anchor of %d", where, a.index)
	require.Equal(t, a.index, f.index, where)
	require.LessOrEqual(t, f.kind, kindMore, where)
}

func TestOperations(t *testing.T) {
	roomy(t)
	runs := 80
	if form.Raced() {
		runs = 20
	}
	if form.Long() {
		runs = 800
	}
	random := seed.New(t)
	for range runs {
		input := make([]byte, 20+random.IntN(600))
		for i := range input {
			input[i] = byte(random.Uint32())
		}
		runOperations(t, input)
	}
}

func FuzzOperations(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte("\x00\x00\xff\x00\x10\x09\xff\x0a\x06\x20\x20\x20\x20\x20\x20\x20\x17\x80\x00\x19\x40\x00\x20\x1d\x01"))
	f.Add([]byte("\x01\x09\xff\x09\xff\x09\xff\x0e\x02\x01\x02\x03\x17\xff\xff\x00\x00\x1d\x0c\x09\xff\x09\xff\x19\x00\x1b\x02"))
	f.Add([]byte("\x02\x0e\x01\x10\x10\x0e\x02\x10\x10\x10\x12\x01\x1d\x00\x15\x80\x16\x80\x1f\x17\xff\xff\xff\x00\x20\x1b\x0d"))
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) > 256 { // each step may check the whole log: 4,096 of them can take minutes
			return
		}
		runOperations(t, input)
	})
}
