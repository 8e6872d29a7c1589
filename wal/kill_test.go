package wal

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
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
	killDir        = "PLINTH_WAL_KILL_DIR" // set only for the child
	killDurability = "PLINTH_WAL_KILL_DURABILITY"
	killLife       = "PLINTH_WAL_KILL_LIFE"

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

// TestKillChild is the process that TestKill kills. It says on its standard
// output, before and after:
//
//	o 0 0         about to open the log
//	a INDEX HASH  the record is acknowledged
//	T FIRST 0     about to drop the records before FIRST
//	t FIRST 0     that is acknowledged
func TestKillChild(t *testing.T) {
	dir := os.Getenv(killDir)
	if dir == "" {
		return // only as the child of TestKill
	}
	durability, err := strconv.Atoi(os.Getenv(killDurability))
	require.NoError(t, err)
	life, err := strconv.Atoi(os.Getenv(killLife))
	require.NoError(t, err)
	say("o", 0, 0)
	o := killOptions
	o.Durability = Durability(durability)
	l, err := Open(dir, o)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for w := range killWriters {
		wg.Go(func() { killWrite(t, l, uint32(life), uint32(w)) })
	}
	wg.Wait()
}

// say writes a line in one piece. Without a reader the process dies of it.
func say(what string, index uint64, hash uint32) {
	fmt.Fprintf(os.Stdout, "%s %d %d\n", what, index, hash)
}

// killWrite appends until the process dies.
func killWrite(t *testing.T, l *Log, life, writer uint32) {
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
			say("a", first+uint64(i), crc32.ChecksumIEEE(b))
		}
		if writer == 0 && serial%50 == 49 && first > killKeep {
			say("T", first-killKeep, 0)
			if err := l.TruncateFront(first - killKeep); err != nil {
				panic(err)
			}
			say("t", first-killKeep, 0)
		}
	}
}

// acknowledged is what the children have said so far.
type acknowledged struct {
	records        map[uint64]uint32 // index -> hash
	dropped, ahead uint64            // FirstIndex is between
}

// hear reads lines until there are no more, and calls kill after n of them.
func (a *acknowledged) hear(from io.Reader, n int, kill func()) error {
	lines := bufio.NewScanner(from)
	for heard := 0; lines.Scan(); heard++ {
		var what string
		var index uint64
		var hash uint32
		if _, err := fmt.Sscan(lines.Text(), &what, &index, &hash); err != nil {
			return fmt.Errorf("the child says %q", lines.Text())
		}
		switch what {
		case "a":
			a.records[index] = hash
		case "T":
			a.ahead = max(a.ahead, index)
		case "t":
			a.dropped = max(a.dropped, index)
		}
		if heard == n {
			kill()
		}
	}
	return lines.Err()
}

func TestKill(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no SIGKILL")
	}
	times := 50
	if testing.Short() || form.Raced() {
		times = 10
	}
	if form.Long() {
		times = 200
	}
	for _, d := range []Durability{Synced, Flushed} {
		t.Run(d.String(), func(t *testing.T) {
			random := seed.New(t)
			a := acknowledged{map[uint64]uint32{}, 1, 1}
			dir := t.TempDir()
			heard := 0
			for life := range times {
				n := random.IntN(600)
				if life%5 == 4 {
					n = 0 // while it opens the log that the one before left
				}
				a.kill(t, dir, d, life, n)
				if life%5 != 3 {
					a.verify(t, dir, d)
				}
				heard += n
			}
			require.NotEmpty(t, a.records)
			t.Logf("killed %d times, %d lines heard, the log goes from %d to %d", times, heard, a.dropped, a.dropped+uint64(len(a.records)))
		})
	}
}

// kill runs a child and kills it after n lines.
func (a *acknowledged) kill(t *testing.T, dir string, d Durability, life, n int) {
	child := exec.Command(os.Args[0], "-test.run=^TestKillChild$")
	child.Env = append(os.Environ(), killDir+"="+dir,
		fmt.Sprintf("%s=%d", killDurability, d), fmt.Sprintf("%s=%d", killLife, life))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	err = a.hear(out, n, func() { child.Process.Kill() })
	child.Process.Kill()
	require.Error(t, child.Wait(), "the child ended by itself")
	require.NoError(t, err)
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
