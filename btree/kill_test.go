package btree

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
)

// A process that works on a store on the real file system, killed with SIGKILL at any
// moment, again and again on the same directory: what it had acknowledged, by writing so
// into a pipe, is there, in order, and transactions are whole.
//
// Each writer makes transactions with numbers that go on over all lives. Transaction n
// sets "last" of its writer, and four keys far from each other, to n; every seventh
// deletes the four instead. So the number in "last" says what all keys must be.

const (
	killDir     = "PLINTH_BTREE_KILL_DIR" // set only for the child
	killNoWAL   = "PLINTH_BTREE_KILL_NOWAL"
	killWriters = 3
	killGroups  = 40 // of four keys, for each writer: transaction n is about group n % 40
)

// killOptions make a store that makes checkpoints and begins segments all the time.
func killOptions(noWAL bool) Options {
	return Options{NoWAL: noWAL, CacheSize: 64 << 10, CheckpointSize: 16 << 10, segmentSize: 32 << 10, maxRecord: 8 << 10}
}

func killLast(writer int) []byte { return fmt.Appendf(nil, "last/%d", writer) }

func killKey(writer, group, part int) []byte {
	return fmt.Appendf(nil, "%d/%02d/%d", part, group, writer)
}

// killValue has a length that follows from the number; some do not fit into a leaf, and
// of some a transaction does not fit into the log.
func killValue(n int) []byte {
	return fmt.Appendf(nil, "%d|%s", n, bytes.Repeat([]byte("x"), n*31%400*(1+n%10/9*9)))
}

func killChange(tx *Tx, writer, n int) error {
	err := tx.Put(killLast(writer), killValue(n))
	for part := range 4 {
		if n%7 == 6 {
			err = errors.Join(err, tx.Delete(killKey(writer, n%killGroups, part)))
		} else {
			err = errors.Join(err, tx.Put(killKey(writer, n%killGroups, part), killValue(n)))
		}
	}
	return err
}

// killNumber returns the number of the last transaction of a writer, 0 for none.
func killNumber(get func([]byte) ([]byte, error), writer int) (n int, err error) {
	v, err := get(killLast(writer))
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err == nil {
		_, err = fmt.Sscanf(string(v), "%d|", &n)
	}
	return n, err
}

// killCheck compares all keys with the numbers in "last", and returns the numbers.
func killCheck(tx *Tx) (last [killWriters]int, err error) {
	want := map[string]string{}
	for w := range last {
		n, err := killNumber(tx.Get, w)
		if err != nil {
			return last, err
		}
		if last[w] = n; n > 0 {
			want[string(killLast(w))] = string(killValue(n))
		}
		for group := range killGroups {
			m := n - (n-group+killGroups)%killGroups // the last transaction about this group
			for part := range 4 {
				if m > 0 && m%7 != 6 {
					want[string(killKey(w, group, part))] = string(killValue(m))
				}
			}
		}
	}
	n := 0
	for e, err := range tx.Scan(nil, nil) {
		if err != nil {
			return last, err
		}
		if v, ok := want[string(e.Key)]; !ok || v != string(e.Value) {
			return last, fmt.Errorf("%q has %d bytes, want %d: of transactions %v", e.Key, len(e.Value), len(v), last)
		}
		n++
	}
	if n != len(want) {
		err = fmt.Errorf("%d keys, want %d", n, len(want))
	}
	return last, err
}

// TestKillChild is the process that TestKill kills. It says on its standard output:
//
//	o 0 0       about to open the store
//	b WRITER N  about to begin the transaction
//	a WRITER N  it is acknowledged
//	s 0 0       a reader has seen what it must
func TestKillChild(t *testing.T) {
	dir := os.Getenv(killDir)
	if dir == "" {
		return // only as the child of TestKill
	}
	say("o", 0, 0)
	db, err := Open(dir, killOptions(os.Getenv(killNoWAL) == "true"))
	require.NoError(t, err)
	var wg sync.WaitGroup
	for w := range killWriters {
		wg.Go(func() { killWrite(db, w) })
	}
	for {
		if err := db.View(func(tx *Tx) error { _, err := killCheck(tx); return err }); err != nil {
			panic(err)
		}
		say("s", 0, 0)
	}
}

// say writes a line in one piece. Without a reader the process dies of it.
func say(what string, writer, n int) {
	fmt.Fprintf(os.Stdout, "%s %d %d\n", what, writer, n)
}

// killWrite makes transactions until the process dies.
func killWrite(db *DB, writer int) {
	n, err := killNumber(db.Get, writer)
	for n++; err == nil; n++ {
		say("b", writer, n)
		if err = db.Update(func(tx *Tx) error { return killChange(tx, writer, n) }); err != nil {
			break
		}
		say("a", writer, n)
		switch {
		case writer == 0 && n%20 == 19:
			err = db.Checkpoint()
		case writer == 1 && n%50 == 49:
			err = db.Compact(context.Background())
		}
	}
	panic(err)
}

// killed is what the children have said so far, for each writer.
type killed struct {
	begun, acknowledged [killWriters]int
	snapshots           int
}

// hear reads lines until there are no more, and calls kill after n of them or more.
func (k *killed) hear(from io.Reader, n int, kill func()) error {
	lines := bufio.NewScanner(from)
	for heard := 0; lines.Scan(); {
		var what string
		var writer, number int
		if _, err := fmt.Sscan(lines.Text(), &what, &writer, &number); err != nil {
			return fmt.Errorf("the child says %q", lines.Text())
		}
		switch what {
		case "b":
			if number <= k.acknowledged[writer] || number > k.begun[writer]+1 {
				return fmt.Errorf("writer %d begins %d, and %d was acknowledged, %d begun", writer, number, k.acknowledged[writer], k.begun[writer])
			}
			k.begun[writer] = number
		case "a":
			k.acknowledged[writer] = number
		case "s":
			k.snapshots++
			continue // there are many
		}
		if heard++; heard > n {
			kill()
		}
	}
	return lines.Err()
}

// TestKill kills a process that uses a store, and looks at what it has left. Planted and
// caught: a meta page before the pages; a log that is truncated before the meta page;
// readers whose pages are used again.
func TestKill(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no SIGKILL")
	}
	times := 8
	if form.Long() {
		times = 50
	}
	for _, noWAL := range []bool{false, true} {
		t.Run(fmt.Sprintf("NoWAL=%t", noWAL), func(t *testing.T) {
			random := seed.New(t)
			var k killed
			dir := t.TempDir()
			for life := range times {
				n := random.IntN(500)
				if life%5 == 4 {
					n = 0 // while it opens the store that the one before left
				}
				k.kill(t, dir, noWAL, n)
				if life%5 != 3 {
					k.verify(t, dir, noWAL)
				}
			}
			t.Logf("killed %d times; %v transactions acknowledged, %v begun, %d readers were right", times, k.acknowledged, k.begun, k.snapshots)
			require.Greater(t, k.acknowledged[0]+k.acknowledged[1]+k.acknowledged[2], 2*killGroups)
			require.Positive(t, k.snapshots)
		})
	}
}

// kill runs a child and kills it after n lines.
func (k *killed) kill(t *testing.T, dir string, noWAL bool, n int) {
	child := exec.Command(os.Args[0], "-test.run=^TestKillChild$")
	child.Env = append(os.Environ(), killDir+"="+dir, fmt.Sprintf("%s=%t", killNoWAL, noWAL))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	err = k.hear(out, n, func() { _ = child.Process.Kill() })
	_ = child.Process.Kill()
	require.EqualError(t, child.Wait(), "signal: killed", "the child ended by itself")
	require.NoError(t, err)
}

// verify opens the store as the next process would.
func (k *killed) verify(t *testing.T, dir string, noWAL bool) {
	o := killOptions(noWAL)
	if k.begun[0] > 0 { // else there may be none yet
		require.NoError(t, Verify(dir, o))
	}
	db, err := Open(dir, o)
	require.NoError(t, err)
	var last [killWriters]int
	require.NoError(t, db.View(func(tx *Tx) (err error) { last, err = killCheck(tx); return err }))
	for w, n := range last {
		require.GreaterOrEqual(t, n, k.acknowledged[w], "writer %d: acknowledged and gone", w)
		require.LessOrEqual(t, n, k.begun[w], "writer %d: nobody has begun this", w)
	}
	k.acknowledged = last // what is found now stays
	invariant(t, db)
	require.NoError(t, db.Close())
	require.NoError(t, Verify(dir, o))
}
