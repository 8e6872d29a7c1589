package wal

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/kill"
	"github.com/plinth-go/plinth/internal/seed"
)

// A process that appends to a log on the real file system, killed with SIGKILL
// at any moment, again and again on the same log: what it had acknowledged, by
// writing so into a pipe, is there, in order, batches whole.
//
// Seen to catch, planted in a copy: Flushed acknowledged before it is written;
// the segment's number left out of the seed, so that a recycled file's old
// frames count.

const (
	killWriters = 4
	killKeep    = 400 // records that the child leaves when it truncates
)

var killOptions = Options{SegmentSize: 32 << 10}

// killRecord is what a record of the test says about itself.
type killRecord struct {
	life, writer, serial, pos, of uint32
}

// encode gives the record a length and a content that follow from what it says.
func (k killRecord) encode() []byte {
	b := make([]byte, 20, 600)
	for i, v := range []uint32{k.life, k.writer, k.serial, k.pos, k.of} {
		binary.LittleEndian.PutUint32(b[4*i:], v)
	}
	n := crc32.ChecksumIEEE(b) % 300
	return append(b, payload(uint64(k.serial)<<8|uint64(k.writer), int(n))...)
}

func decodeKillRecord(b []byte) (k killRecord, ok bool) {
	if len(b) < 20 {
		return k, false
	}
	for i, v := range []*uint32{&k.life, &k.writer, &k.serial, &k.pos, &k.of} {
		*v = binary.LittleEndian.Uint32(b[4*i:])
	}
	return k, string(k.encode()) == string(b)
}

// What a child says, besides that it is about to open the log. The second number is
// the hash of the record, or 0.
const (
	killAcknowledged = "a" // the record of this index is
	killDrops        = "T" // about to drop the records before this index
	killDropped      = "t" // that is acknowledged
)

// TestKillChild is the process that TestKill kills.
func TestKillChild(t *testing.T) {
	child, ok := kill.Self()
	if !ok {
		return // only as the child of TestKill
	}
	durability, err := strconv.Atoi(child.Setting)
	require.NoError(t, err)
	kill.Say(kill.Opens, 0, 0)
	o := killOptions
	o.Durability = Durability(durability)
	l, err := Open(child.Dir, o)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for w := range killWriters {
		wg.Go(func() { killWrite(l, uint32(child.Life), uint32(w)) })
	}
	wg.Wait()
}

// killWrite appends until the process dies.
func killWrite(l *Log, life, writer uint32) {
	for serial := uint32(0); ; serial++ {
		var batch [][]byte
		of := 1 + serial%3
		for pos := range of {
			batch = append(batch, killRecord{life, writer, serial, pos, of}.encode())
		}
		first, err := uint64(0), error(nil)
		switch serial % 2 {
		case 0:
			first, err = l.AppendBatch(batch)
		default:
			first, err = l.Submit(batch).Wait(context.Background())
		}
		if err != nil {
			panic(err)
		}
		for i, b := range batch {
			kill.Say(killAcknowledged, first+uint64(i), uint64(crc32.ChecksumIEEE(b)))
		}
		if writer == 0 && serial%50 == 49 && first > killKeep {
			kill.Say(killDrops, first-killKeep, 0)
			if err := l.TruncateFront(first - killKeep); err != nil {
				panic(err)
			}
			kill.Say(killDropped, first-killKeep, 0)
		}
	}
}

// acknowledged is what the children have said so far.
type acknowledged struct {
	records        map[uint64]uint32 // index -> hash
	dropped, ahead uint64            // FirstIndex is between
	heard          int               // lines
}

// hear learns what a child says.
func (a *acknowledged) hear(l kill.Line) (counts bool, err error) {
	switch l.What {
	case killAcknowledged:
		a.records[l.A] = uint32(l.B)
	case killDrops:
		a.ahead = max(a.ahead, l.A)
	case killDropped:
		a.dropped = max(a.dropped, l.A)
	}
	a.heard++
	return true, nil
}

func TestKill(t *testing.T) {
	times := 50
	if testing.Short() || form.Raced() {
		times = 10
	}
	if form.Long() {
		times = 200
	}
	for _, d := range []Durability{Synced, Flushed} {
		t.Run(d.String(), func(t *testing.T) {
			a := acknowledged{records: map[uint64]uint32{}, dropped: 1, ahead: 1}
			kill.Loop{
				Test: "TestKillChild", Setting: strconv.Itoa(int(d)), Times: times, Lines: 600, Hear: a.hear,
				Check: func(dir string) { a.verify(t, dir, d) },
			}.Run(t, seed.New(t))
			require.NotEmpty(t, a.records)
			t.Logf("killed %d times, %d lines heard, the log goes from %d to %d", times, a.heard, a.dropped, a.dropped+uint64(len(a.records)))
		})
	}
}

// verify opens the log as the next process would.
func (a *acknowledged) verify(t *testing.T, dir string, d Durability) {
	o := killOptions
	o.Durability = d
	require.NoError(t, Verify(dir, o))
	l, err := Open(dir, o)
	require.NoError(t, err)
	first := l.FirstIndex()
	require.GreaterOrEqual(t, first, a.dropped, "what was dropped is back")
	require.LessOrEqual(t, first, a.ahead, "records are gone that nobody dropped")
	found := map[uint64]uint32{}
	serials := map[[2]uint32]uint32{} // life and writer -> the last serial
	next, open := first, killRecord{}
	for r, err := range l.All(0) {
		require.NoError(t, err)
		require.Equal(t, next, r.Index)
		next++
		k, ok := decodeKillRecord(r.Data)
		require.True(t, ok, "record %d is not what anybody wrote", r.Index)
		if r.Index != first {
			if open.pos+1 < open.of {
				open.pos++
				require.Equal(t, open, k, "record %d: its batch is not whole", r.Index)
			} else {
				require.Zero(t, k.pos, "record %d: a batch without its beginning", r.Index)
			}
		}
		open = k
		who := [2]uint32{k.life, k.writer}
		last, ok := serials[who]
		require.True(t, !ok || k.serial == last || k.serial == last+1, "writer %v: %d after %d", who, k.serial, last)
		serials[who] = k.serial
		found[r.Index] = crc32.ChecksumIEEE(r.Data)
	}
	require.True(t, next == first || open.of == open.pos+1, "the log ends inside of a batch")
	for index, hash := range a.records {
		if index >= first {
			require.Equal(t, hash, found[index], "record %d was acknowledged and is gone", index)
		}
	}
	// From here on what was found is acknowledged as well.
	a.records, a.dropped, a.ahead = found, first, max(a.ahead, first)
	require.NoError(t, l.Close())
}
