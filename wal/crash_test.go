package wal

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/crash"
	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/vfs"
)

// The test that the package stands on: a history of calls, and a power cut
// after each of its disk operations, leaving each state that the disk could be
// in (vfs.Recorder knows which). From every such state the log must come back
// with what the first so many calls had made of it, where that includes every
// call that had been acknowledged. Then the same again, with a second power
// cut while it recovers and goes on.

// state is what a log holds.
type state struct {
	first   uint64
	records []string
}

func (s state) equal(o state) bool { return s.first == o.first && slices.Equal(s.records, o.records) }

func (s state) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "[from %d:", s.first)
	for _, r := range s.records {
		fmt.Fprintf(&b, " %.12q", r)
	}
	return b.String() + "]"
}

// stateOf reads the whole log.
func stateOf(l *Log) (state, error) {
	s := state{first: l.FirstIndex()}
	for r, err := range l.All(0) {
		if err != nil {
			return s, err
		}
		s.records = append(s.records, string(r.Data))
	}
	return s, nil
}

// history runs calls on a log, on a recording disk, and beside it on a model.
type history struct {
	t     *testing.T
	rnd   *rand.Rand
	fs    vfs.FS     // what the log sees
	ops   func() int // disk operations so far
	o     Options
	log   *Log
	model state
	calls []crash.Call[state]

	serial int
	err    error // of the first call that failed; the history ends there
}

// do runs one call; change tells what it does to the model. A durable call
// makes all before it durable as well.
func (h *history) do(name string, durable bool, change func(*state), run func() error) {
	if h.err != nil {
		return
	}
	c := crash.Call[state]{Name: name, Start: h.ops()}
	h.err = run()
	h.model.records = slices.Clone(h.model.records)
	change(&h.model)
	c.End, c.After, c.Durable = h.ops(), h.model, durable && h.err == nil
	h.calls = append(h.calls, c)
}

func nothing(*state) {}

func (h *history) open() {
	h.do("open", true, nothing, func() (err error) {
		h.log, err = Open("log", h.o)
		return err
	})
}

func (h *history) close() {
	h.do("close", true, nothing, func() error { return h.log.Close() })
}

// record returns data that no other record has.
func (h *history) record() []byte {
	h.serial++
	size := []int{0, 20, 100, 300, 700, 1500}[h.rnd.IntN(6)]
	if h.serial%9 == 0 {
		return append(fmt.Appendf(nil, "%d|", h.serial), make([]byte, size)...) // zero bytes: no torn sector
	}
	return fmt.Appendf(nil, "%d|%s", h.serial, strings.Repeat(string(rune('a'+h.serial%26)), size))
}

func (h *history) batch() [][]byte {
	var b [][]byte
	for range 1 + h.rnd.IntN(4) {
		r := h.record()
		b = append(b, r[:min(len(r), 900)])
	}
	return b
}

func (h *history) append(records ...[]byte) {
	change := func(s *state) {
		for _, r := range records {
			s.records = append(s.records, string(r))
		}
	}
	synced := h.o.Durability == Synced
	switch {
	case len(records) > 1 && h.rnd.IntN(3) == 0:
		var ticket *Ticket
		h.do("submit", false, change, func() error { ticket = h.log.Submit(records); return ticket.err })
		if h.rnd.IntN(2) == 0 {
			h.do("wait", synced, nothing, func() error { _, err := ticket.Wait(context.Background()); return err })
		}
	case len(records) > 1:
		h.do("batch", synced, change, func() error { _, err := h.log.AppendBatch(records); return err })
	default:
		h.do("append", synced, change, func() error { _, err := h.log.Append(records[0]); return err })
	}
}

func (h *history) truncateFront() {
	n := h.rnd.IntN(len(h.model.records) + 1)
	if h.rnd.IntN(8) == 0 {
		n = len(h.model.records) + h.rnd.IntN(3) // to the end, or beyond
	}
	first := h.model.first + uint64(n)
	h.do("truncate front", n > 0, func(s *state) {
		s.first, s.records = first, s.records[min(n, len(s.records)):]
	}, func() error { return h.log.TruncateFront(first) })
}

func (h *history) truncateBack() {
	n := len(h.model.records) - h.rnd.IntN(min(6, len(h.model.records)+1))
	h.do("truncate back", n < len(h.model.records), func(s *state) { s.records = s.records[:n] },
		func() error { return h.log.TruncateBack(h.model.first + uint64(n) - 1) })
}

// run makes a history of n calls, all kinds among them.
func (h *history) run(n int) {
	h.model = state{first: 1}
	h.calls = []crash.Call[state]{{After: h.model, Durable: true}}
	h.o.FS, h.o.SegmentSize = h.fs, minSegmentSize
	h.open()
	for i := 0; i < n && h.err == nil; i++ {
		switch k := h.rnd.IntN(100); {
		case k < 45:
			h.append(h.record())
		case k < 70:
			h.append(h.batch()...)
		case k < 78:
			h.do("sync", true, nothing, func() error { return h.log.Sync() })
		case k < 86:
			h.truncateFront()
		case k < 94:
			h.truncateBack()
		default:
			h.close()
			h.open()
		}
	}
	h.close()
}

// recovered opens the log on the disk, which must work, and returns it with
// what it holds, which must be one of the legal states.
func recovered(disk vfs.FS, legal []state) (*Log, state, error) {
	l, err := Open("log", Options{FS: disk, SegmentSize: minSegmentSize, Recycle: 1})
	if err != nil {
		return nil, state{}, err
	}
	got, err := stateOf(l)
	if err == nil && !slices.ContainsFunc(legal, got.equal) {
		err = fmt.Errorf("recovered %v\n, legal is %v", got, legal)
	}
	return l, got, err
}

// usable goes on with a recovered log: what it holds and what is appended now
// must be there after a proper close, and Verify must find nothing.
func usable(disk vfs.FS, l *Log, got state) error {
	if _, err := l.Append([]byte("after")); err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	if err := Verify("log", Options{FS: disk}); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	want := state{got.first, append(slices.Clone(got.records), "after")}
	l, _, err := recovered(disk, []state{want})
	if err != nil {
		return fmt.Errorf("after a clean close: %w", err)
	}
	return l.Close()
}

// recoveredTwice recovers from the crash while recording, appends what could
// look like the record that was lost, and cuts the power again after every
// operation of that.
func recoveredTwice(disk *vfs.Mem, legal []state, tally *crash.Tally) error {
	rec := vfs.Record(disk)
	l, got, err := recovered(rec, legal)
	if err != nil {
		return err
	}
	life := crash.Recovery[state]{Before: legal, Opened: rec.Ops(), Found: got}
	retry := []byte("retry")
	for _, s := range legal { // the first record that was lost, alone
		if s.first == got.first && len(s.records) > len(got.records) && slices.Equal(s.records[:len(got.records)], got.records) {
			retry = []byte(s.records[len(got.records)])
		}
	}
	if _, err := l.Append(retry); err != nil {
		return err
	}
	life.Kept = rec.Ops()
	life.After = state{got.first, append(slices.Clone(got.records), string(retry))}
	for c := range tally.Again(rec, true) {
		l, got, err := recovered(c.Disk, life.Legal(c.Point))
		if err == nil && c.Point%4 == 0 {
			err = usable(c.Disk, l, got)
		}
		if err != nil {
			return fmt.Errorf("second cut, of %d operations: %v: %w", rec.Ops(), c, err)
		}
	}
	return nil
}

// TestCrash cuts the power at every operation of a history.
//
// Planted bugs it was seen to catch, each by itself: the torn end not erased, or
// erased without a sync (both only by the second cut); a segment's number left
// out of the seed; no sync of a new segment's header or name, of the old
// segment at a rotation, of a mark, of the directory after retiring; records
// not synced; segments retired before the mark was on disk; half a batch taken
// for a whole; an unfinished rotation taken for damage.
func TestCrash(t *testing.T) {
	roomy(t)
	tally := crash.NewTally(1)
	for _, d := range []Durability{Synced, Flushed, Buffered} {
		t.Run(d.String(), func(t *testing.T) {
			disk := crash.NewWitness(nil)
			h := &history{t: t, rnd: rand.New(rand.NewPCG(1, uint64(d))), fs: disk, ops: disk.Ops, o: Options{Durability: d, Recycle: 1}}
			h.run(map[Durability]int{Synced: 240, Flushed: 220, Buffered: 250}[d])
			require.NoError(t, h.err)
			require.GreaterOrEqual(t, disk.Ops(), 300)
			before := tally.Total()
			for n, c := range tally.States(disk) {
				legal := crash.Legal(h.calls, c.Point)
				if form.Long() || n%16 == 0 {
					require.NoError(t, recoveredTwice(c.Disk, legal, tally), "%v", c)
				}
				l, got, err := recovered(c.Disk, legal)
				require.NoError(t, err, "%v", c)
				require.NoError(t, usable(c.Disk, l, got), "%v", c)
			}
			t.Logf("%d calls, %d operations, %d states", len(h.calls)-1, disk.Ops(), tally.Total()-before)
		})
	}
	tally.Report(t, nil)
	require.GreaterOrEqual(t, tally.Total(), 8000)
}

// roomy lets the collector of garbage run less often until the test is over. Each Open takes a megabyte, and next to
// nothing is alive: of TestCrash, more than half of the time was the collector's. It holds for the whole program, so
// not for tests that run in parallel.
func roomy(t *testing.T) {
	before := debug.SetGCPercent(400)
	t.Cleanup(func() { debug.SetGCPercent(before) })
}
