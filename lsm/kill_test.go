package lsm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// A process that works on a store on the real file system, killed with SIGKILL at
// any moment, again and again on the same directory: what it had acknowledged, by
// writing so into a pipe, is there, in order, batches whole; and the directory holds
// tables that the manifest knows, undamaged, and nothing else.
//
// Each writer applies batches with numbers that go on over all lives. A batch sets
// "last" of its writer to its number, and four keys, far from each other, to the
// same; every seventh deletes the four instead. So the number in "last" says what
// all keys of a writer must be.

const (
	killDir        = "PLINTH_LSM_KILL_DIR" // set only for the child
	killDurability = "PLINTH_LSM_KILL_DURABILITY"

	killWriters = 3
	killGroups  = 40 // of four keys, for each writer: batch n is about group n % 40
)

// killOptions make a store that flushes and compacts all the time.
func killOptions(d wal.Durability) Options {
	return Options{
		Durability: d, MemTableSize: 8 << 10, TableSize: 4 << 10, BlockSize: 512, Compression: S2,
		Policy: Leveled{Growth: 3, Level0: 2}, segmentSize: 32 << 10, maxEdits: 8,
	}
}

func killLast(writer int) []byte { return fmt.Appendf(nil, "last/%d", writer) }

func killKey(writer, group, part int) []byte {
	return fmt.Appendf(nil, "%d/%02d/%d", part, group, writer)
}

// killValue has a length that follows from the number.
func killValue(n int) []byte {
	return fmt.Appendf(nil, "%d|%s", n, strings.Repeat("x", n*31%200))
}

func killBatch(writer, n int) *Batch {
	var b Batch
	b.Put(killLast(writer), killValue(n))
	for part := range 4 {
		if n%7 == 6 {
			b.Delete(killKey(writer, n%killGroups, part))
		} else {
			b.Put(killKey(writer, n%killGroups, part), killValue(n))
		}
	}
	return &b
}

// killReader is a store or a snapshot of one.
type killReader interface {
	Get(key []byte) ([]byte, error)
	NewIterator(o IterOptions) *Iterator
}

// killNumber returns the number of the last batch of a writer that is there, 0 for none.
func killNumber(r killReader, writer int) (n int, err error) {
	v, err := r.Get(killLast(writer))
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err == nil {
		_, err = fmt.Sscanf(string(v), "%d|", &n)
	}
	return n, err
}

// killCheck compares all keys with the numbers in "last", by a walk and by Get, and
// returns the numbers.
func killCheck(r killReader) ([killWriters]int, error) {
	var last [killWriters]int
	want := map[string]string{}
	for w := range last {
		n, err := killNumber(r, w)
		if err != nil {
			return last, err
		}
		if last[w] = n; n > 0 {
			want[string(killLast(w))] = string(killValue(n))
		}
		for group := range killGroups {
			m := n - (n-group+killGroups)%killGroups // the last batch about this group
			for part := range 4 {
				key := killKey(w, group, part)
				v, err := r.Get(key)
				switch {
				case m <= 0 || m%7 == 6:
					if !errors.Is(err, ErrNotFound) {
						return last, fmt.Errorf("writer %d at batch %d: %s is %q (%w), not deleted or never set", w, n, key, v, err)
					}
					continue
				case err != nil || string(v) != string(killValue(m)):
					return last, fmt.Errorf("writer %d at batch %d: %s is %q (%w), want %q", w, n, key, v, err, killValue(m))
				}
				want[string(key)] = string(killValue(m))
			}
		}
	}
	it := r.NewIterator(IterOptions{})
	defer it.Close()
	n := 0
	for it.First(); it.Valid(); it.Next() {
		if v, ok := want[string(it.Key())]; !ok || v != string(it.Value()) {
			return last, fmt.Errorf("a walk finds %q at %q, want %q", it.Value(), it.Key(), v)
		}
		n++
	}
	if it.Err() == nil && n != len(want) {
		return last, fmt.Errorf("a walk finds %d keys, want %d", n, len(want))
	}
	return last, it.Err()
}

// TestKillChild is the process that TestKill kills. It says on its standard output:
//
//	o 0 0       about to open the store
//	b WRITER N  about to apply the batch
//	a WRITER N  it is acknowledged
//	s 0 0       a snapshot was as it must be
func TestKillChild(t *testing.T) {
	dir := os.Getenv(killDir)
	if dir == "" {
		return // only as the child of TestKill
	}
	durability, err := strconv.Atoi(os.Getenv(killDurability))
	require.NoError(t, err)
	say("o", 0, 0)
	db, err := Open(dir, killOptions(wal.Durability(durability)))
	require.NoError(t, err)
	var wg sync.WaitGroup
	for w := range killWriters {
		wg.Go(func() { killWrite(db, w) })
	}
	for {
		snapshot := db.Snapshot()
		if _, err := killCheck(snapshot); err != nil {
			panic(err)
		}
		snapshot.Close()
		say("s", 0, 0)
	}
}

// say writes a line in one piece. Without a reader the process dies of it.
func say(what string, writer, n int) {
	fmt.Fprintf(os.Stdout, "%s %d %d\n", what, writer, n)
}

// killWrite applies batches until the process dies. One of the writers flushes and
// compacts besides.
func killWrite(db *DB, writer int) {
	n, err := killNumber(db, writer)
	for n++; err == nil; n++ {
		say("b", writer, n)
		if err = db.Apply(killBatch(writer, n)); err != nil {
			break
		}
		say("a", writer, n)
		switch {
		case writer == 0 && n%40 == 39:
			err = db.Flush()
		case writer == 1 && n%100 == 99:
			err = db.Compact(context.Background(), killKey(0, n%killGroups, 1), killKey(0, n%killGroups, 3))
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
				return fmt.Errorf("writer %d begins batch %d, and %d was acknowledged, %d begun", writer, number, k.acknowledged[writer], k.begun[writer])
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

// TestKill kills a process that uses a store, and looks at what it has left. Planted
// and caught: a batch acknowledged before the log has written it; a flush that
// truncates the log before the manifest knows the table; tables of a compaction removed
// before the manifest knows the new ones; an Open that does not remove what nobody
// mentions, or forgets the last record of the log; half a batch that readers see.
func TestKill(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no SIGKILL")
	}
	times := 12
	if form.Raced() {
		times = 6
	}
	if form.Long() {
		times = 60
	}
	for _, d := range []wal.Durability{wal.Synced, wal.Flushed} {
		t.Run(d.String(), func(t *testing.T) {
			random := seed.New(t)
			var k killed
			dir := t.TempDir()
			for life := range times {
				n := random.IntN(800)
				if life%5 == 4 {
					n = 0 // while it opens the store that the one before left
				}
				k.kill(t, dir, d, n)
				if life%5 != 3 {
					k.verify(t, dir, d)
				}
			}
			t.Logf("killed %d times; %v batches acknowledged, %v begun, %d snapshots were right", times, k.acknowledged, k.begun, k.snapshots)
			require.Greater(t, k.acknowledged[0]+k.acknowledged[1]+k.acknowledged[2], 4*killGroups)
			require.Positive(t, k.snapshots)
		})
	}
}

// kill runs a child and kills it after n lines.
func (k *killed) kill(t *testing.T, dir string, d wal.Durability, n int) {
	child := exec.Command(os.Args[0], "-test.run=^TestKillChild$")
	child.Env = append(os.Environ(), killDir+"="+dir, fmt.Sprintf("%s=%d", killDurability, d))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	err = k.hear(out, n, func() { child.Process.Kill() })
	child.Process.Kill()
	require.EqualError(t, child.Wait(), "signal: killed", "the child ended by itself")
	require.NoError(t, err)
}

// verify opens the store as the next process would.
func (k *killed) verify(t *testing.T, dir string, d wal.Durability) {
	o := killOptions(d)
	db, err := Open(dir, o)
	require.NoError(t, err)
	last, err := killCheck(db)
	require.NoError(t, err)
	for w, n := range last {
		require.GreaterOrEqual(t, n, k.acknowledged[w], "writer %d: acknowledged and gone", w)
		require.LessOrEqual(t, n, k.begun[w], "writer %d: nobody has begun this", w)
	}
	k.acknowledged = last // what is found now stays
	require.NoError(t, db.Close())
	require.NoError(t, leftovers(vfs.OS(), dir, db))
	verifyClosed(t, dir, o)
}

// verifyClosed reads everything that a closed store has on the disk.
func verifyClosed(t *testing.T, dir string, o Options) {
	require.NoError(t, Verify(dir, o))
}
