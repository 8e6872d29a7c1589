package wal

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vfs"
)

// Everybody at once, under the race detector: who appends, submits, reads,
// follows, truncates, syncs, rotates (segments are tiny), and at last closes.
// Then, with a disk whose sync waits for the test, who leads, who waits, and
// who may stop waiting.
//
// Seen to catch, planted in a copy: a segment retired while somebody reads it;
// Stats without the lock (the race detector); records visible before they are
// synced; a lead that is lost with a cancelled waiter, never passed on, or
// passed to two; followers that nobody wakes; a commit that forgets the sync.

// hookFS calls hook before each operation that changes the disk. What hook
// refuses fails, a write after half of its bytes.
type hookFS struct {
	vfs.FS
	hook func(op, name string, off int64, n int) error
}

func (h hookFS) Open(name string, mode vfs.Mode, c vfs.Category) (vfs.File, error) {
	file, err := h.FS.Open(name, mode, c)
	if err != nil {
		return nil, err
	}
	return hookFile{file, h, name}, nil
}

func (h hookFS) Rename(from, to string) error {
	if err := h.hook("rename", from, 0, 0); err != nil {
		return err
	}
	return h.FS.Rename(from, to)
}

func (h hookFS) SyncDir(dir string) error {
	if err := h.hook("syncdir", dir, 0, 0); err != nil {
		return err
	}
	return h.FS.SyncDir(dir)
}

type hookFile struct {
	vfs.File
	fs   hookFS
	name string
}

func (f hookFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.fs.hook("write", f.name, off, len(p)); err != nil {
		n, _ := f.File.WriteAt(p[:len(p)/2], off)
		return n, err
	}
	return f.File.WriteAt(p, off)
}

func (f hookFile) Sync() error {
	if err := f.fs.hook("sync", f.name, 0, 0); err != nil {
		return err
	}
	return f.File.Sync()
}

// stress is a log and those who use it until it is closed.
type stress struct {
	t         *testing.T
	l         *Log
	users     sync.WaitGroup
	truncates bool
	appended  atomic.Int64
	enough    chan struct{} // closed when enough is appended
	target    int64
	acked     sync.Map // index -> record, if nothing truncates
}

// start runs user again and again until the log is closed.
func (s *stress) start(user func() error) {
	s.users.Go(func() {
		for {
			if err := user(); err != nil {
				if !errors.Is(err, ErrClosed) {
					s.t.Errorf("%v", err)
				}
				return
			}
			runtime.Gosched()
		}
	})
}

func (s *stress) writer(n uint32) {
	serial := uint32(0)
	s.start(func() error {
		serial++
		var batch [][]byte
		for pos := range 1 + serial%4 {
			batch = append(batch, killRecord{0, n, serial, pos, 1 + serial%4}.encode())
		}
		first, err := uint64(0), error(nil)
		switch serial % 3 {
		case 0:
			first, err = s.l.AppendBatch(batch)
		case 1:
			first, err = s.l.Submit(batch).Wait(context.Background())
		default:
			batch = batch[:1]
			batch[0] = killRecord{0, n, serial, 0, 1}.encode()
			first, err = s.l.Append(batch[0])
		}
		if err != nil {
			return err
		}
		if !s.truncates {
			for i, b := range batch {
				if _, twice := s.acked.LoadOrStore(first+uint64(i), string(b)); twice {
					s.t.Errorf("index %d was given out twice", first+uint64(i))
				}
			}
		}
		n := int64(len(batch))
		if now := s.appended.Add(n); now >= s.target && now-n < s.target {
			close(s.enough)
		}
		return nil
	})
}

// checkRecord checks that somebody wrote this, here.
func (s *stress) checkRecord(r Record) {
	if _, ok := decodeKillRecord(r.Data); !ok {
		s.t.Errorf("record %d is not what anybody wrote: %x", r.Index, r.Data)
	}
	if b, ok := s.acked.Load(r.Index); ok && b != string(r.Data) {
		s.t.Errorf("record %d is not what was acknowledged there", r.Index)
	}
}

// missing is what a reader may find while others truncate.
func (s *stress) missing(err error) error {
	if s.truncates && errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

func (s *stress) reader(random *rand.Rand) {
	s.start(func() error {
		first, next := s.l.FirstIndex(), s.l.LastIndex()+1
		i := first + random.Uint64N(max(next, first+1)-first)
		data, err := s.l.Read(i)
		if next <= first && errors.Is(err, ErrNotFound) {
			return nil // it was empty
		}
		if err != nil {
			return s.missing(err)
		}
		s.checkRecord(Record{i, data})
		return nil
	})
}

// scan reads all that there is from the first record on, by All or Follow.
func (s *stress) scan(follow bool) {
	s.start(func() error {
		records, next := s.l.All(0), uint64(0)
		if follow {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			records = s.l.Follow(ctx, 0)
		}
		for r, err := range records {
			if err != nil {
				return s.missing(err)
			}
			if next == 0 {
				next = r.Index
				if !s.truncates && next != 1 {
					s.t.Errorf("the log begins with %d", next)
				}
			}
			if r.Index != next {
				s.t.Errorf("record %d where %d is due", r.Index, next)
			}
			s.checkRecord(r)
			next++
		}
		return nil
	})
}

func (s *stress) truncaters() {
	s.start(func() error {
		return s.l.TruncateFront(max(s.l.LastIndex(), 60) - 60)
	})
	s.start(func() error {
		err := s.l.TruncateBack(s.l.LastIndex() - 2)
		return s.missing(err)
	})
}

func (s *stress) watchers() {
	s.start(s.l.Sync)
	s.start(func() error {
		st := s.l.Stats()
		if st.Segments == 0 || st.TornTails != 0 {
			s.t.Errorf("%+v", st)
		}
		s.l.mu.Lock() // there is no call that says whether the log is closed
		defer s.l.mu.Unlock()
		return s.l.err
	})
}

func TestStress(t *testing.T) {
	for _, disk := range []string{"mem", "os"} {
		for _, d := range []Durability{Synced, Flushed, Buffered} {
			for _, truncates := range []bool{false, true} {
				name := disk + "/" + d.String() + "/keep"
				if truncates {
					name = disk + "/" + d.String() + "/truncate"
				}
				t.Run(name, func(t *testing.T) { runStress(t, disk, d, truncates) })
			}
		}
	}
}

func runStress(t *testing.T, disk string, d Durability, truncates bool) {
	o, dir := Options{Durability: d, SegmentSize: 3 * minSegmentSize}, t.TempDir()
	if disk == "mem" {
		o.FS = vfs.NewMem()
	}
	random := seed.New(t)
	goroutines := runtime.NumGoroutine()
	l, err := Open(dir, o)
	require.NoError(t, err)
	s := &stress{t: t, l: l, truncates: truncates, enough: make(chan struct{}), target: 1000}
	if form.Long() {
		s.target = 10_000
	}
	for n := range uint32(4) {
		s.writer(n)
	}
	for range 2 {
		s.reader(rand.New(rand.NewPCG(random.Uint64(), 1)))
		s.scan(false)
		s.scan(true)
	}
	s.watchers()
	if truncates {
		s.truncaters()
	}
	<-s.enough
	require.NoError(t, l.Close()) // while all that goes on
	s.users.Wait()
	for start := time.Now(); runtime.NumGoroutine() > goroutines; {
		require.Less(t, time.Since(start), time.Minute, "goroutines are left")
		runtime.Gosched()
	}

	require.NoError(t, Verify(dir, o))
	l, err = Open(dir, o)
	require.NoError(t, err)
	found := 0
	for r, err := range l.All(0) {
		require.NoError(t, err)
		s.checkRecord(r)
		found++
	}
	s.acked.Range(func(index, _ any) bool { found--; return true })
	require.True(t, truncates || found >= 0, "acknowledged records are gone")
	invariant(t, l, "after the stress")
	require.NoError(t, l.Close())
}

// A follower misses nothing and sees nothing twice, whenever it begins.
func TestFollowersSeeAllOnce(t *testing.T) {
	const records = 900
	for _, d := range []Durability{Synced, Flushed, Buffered} {
		l, err := Open(modelDir, Options{FS: vfs.NewMem(), Durability: d, SegmentSize: minSegmentSize})
		require.NoError(t, err)
		var users sync.WaitGroup
		for range 100 {
			_, err := l.Append(nil)
			require.NoError(t, err)
		}
		for n := range uint64(4) {
			users.Go(func() {
				next := 1 + 33*n
				for r, err := range l.Follow(context.Background(), next) {
					if err != nil || r.Index != next {
						t.Errorf("record %d where %d is due, %v", r.Index, next, err)
						return
					}
					if next++; next > records {
						return
					}
				}
			})
			users.Go(func() {
				for range (records - 100) / 4 {
					if _, err := l.Append(payload(n, int(70*n))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		users.Wait()
		require.NoError(t, l.Close())
	}
}

// gate is a disk whose syncs wait for the test while it is shut.
type gate struct {
	hookFS
	shut  atomic.Bool
	syncs atomic.Int64
	open  chan error // one value lets one sync go on, or fail
}

func newGate() *gate {
	g := &gate{open: make(chan error)}
	g.hookFS = hookFS{vfs.NewMem(), func(op, _ string, _ int64, _ int) error {
		if op != "sync" || !g.shut.Load() {
			return nil
		}
		g.syncs.Add(1)
		return <-g.open
	}}
	return g
}

// gated runs test in a bubble with a log whose next sync waits for the test.
// In the bubble a lost wake-up is a deadlock, and a deadlock fails.
func gated(t *testing.T, test func(t *testing.T, g *gate, l *Log)) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		l, err := Open(modelDir, Options{FS: g})
		require.NoError(t, err)
		g.shut.Store(true)
		test(t, g, l)
		g.shut.Store(false)
		require.NoError(t, l.Close())
	})
}

// result is what a call in the background returned.
type result struct {
	first uint64
	err   error
}

func background(call func() (uint64, error)) chan result {
	c := make(chan result, 1)
	go func() {
		first, err := call()
		c <- result{first, err}
	}()
	return c
}

func appending(l *Log) chan result {
	return background(func() (uint64, error) { return l.Append([]byte("x")) })
}

func TestWaitGivesUp(t *testing.T) {
	gated(t, func(t *testing.T, g *gate, l *Log) {
		leader := appending(l)
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		ticket := l.Submit([][]byte{[]byte("a"), []byte("b")})
		waiter := background(func() (uint64, error) { return ticket.Wait(ctx) })
		synctest.Wait()
		require.Empty(t, waiter)
		cancel()
		require.Equal(t, result{0, context.Canceled}, <-waiter)
		require.Empty(t, leader, "the leader goes on")
		g.open <- nil
		require.Equal(t, result{1, nil}, <-leader)
		synctest.Wait()
		require.EqualValues(t, 1, l.LastIndex(), "nobody commits what nobody waits for")
		_, err := l.Read(2)
		require.ErrorIs(t, err, ErrNotFound)

		_, err = ticket.Wait(ctx)
		require.Equal(t, context.Canceled, err, "a wait that begins cancelled leads nothing")
		require.EqualValues(t, 1, g.syncs.Load())

		next := appending(l)
		synctest.Wait()
		g.open <- nil
		require.Equal(t, result{4, nil}, <-next, "the batch has kept its place")
		require.EqualValues(t, 4, l.LastIndex())
		first, err := ticket.Wait(ctx)
		require.NoError(t, err, "what is on disk needs no wait")
		require.EqualValues(t, 2, first)
	})
}

func TestLeadingWaitIsNotCutShort(t *testing.T) {
	gated(t, func(t *testing.T, g *gate, l *Log) {
		ctx, cancel := context.WithCancel(t.Context())
		ticket := l.Submit([][]byte{[]byte("a")})
		leader := background(func() (uint64, error) { return ticket.Wait(ctx) })
		synctest.Wait()
		cancel()
		synctest.Wait()
		require.Empty(t, leader, "it leads: others depend on it")
		g.open <- nil
		require.Equal(t, result{1, nil}, <-leader)
	})
}

// While one leads, all who come share the next sync.
func TestOneSyncForAll(t *testing.T) {
	gated(t, func(t *testing.T, g *gate, l *Log) {
		leader := appending(l)
		synctest.Wait()
		var others []chan result
		for i := range 10 {
			others = append(others, appending(l))
			synctest.Wait()
			require.EqualValues(t, 1, l.DurableIndex()+1, "%d", i)
		}
		g.open <- nil
		<-leader
		synctest.Wait()
		require.EqualValues(t, 1, l.LastIndex())
		g.open <- nil
		for i, c := range others {
			require.Equal(t, result{uint64(2 + i), nil}, <-c)
		}
		require.EqualValues(t, 2, g.syncs.Load())
		require.EqualValues(t, 2, l.Stats().Syncs)
		require.Equal(t, 10, l.Stats().LargestGroup)
	})
}

// The lead passes to a waiter at the moment in which its context ends: it must
// lead all the same, or all behind it wait for ever.
func TestLeadIsNotLost(t *testing.T) {
	rounds := 3000
	if form.Raced() {
		rounds = 500
	}
	gated(t, func(t *testing.T, g *gate, l *Log) {
		for range rounds {
			leader := appending(l)
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			ticket := l.Submit([][]byte{[]byte("a")})
			heir := background(func() (uint64, error) { return ticket.Wait(ctx) })
			synctest.Wait()
			behind := appending(l)
			synctest.Wait()
			go cancel()
			g.open <- nil
			g.open <- nil // the heir's sync, or that of who is behind it
			require.NoError(t, (<-leader).err)
			require.NoError(t, (<-behind).err)
			if got := <-heir; got.err != nil {
				require.Equal(t, context.Canceled, got.err)
			}
		}
		require.EqualValues(t, 3*rounds, l.LastIndex())
	})
}

// Close waits for the commit under way and takes those along who wait.
func TestCloseServesWhoWaits(t *testing.T) {
	gated(t, func(t *testing.T, g *gate, l *Log) {
		leader := appending(l)
		synctest.Wait()
		ticket := l.Submit([][]byte{[]byte("a")})
		closing := background(func() (uint64, error) { return 0, l.Close() })
		synctest.Wait()
		waiter := appending(l)
		synctest.Wait()
		require.Empty(t, closing)
		g.shut.Store(false)
		g.open <- nil
		require.Equal(t, result{1, nil}, <-leader)
		require.NoError(t, (<-closing).err)
		require.Equal(t, result{3, nil}, <-waiter)
		first, err := ticket.Wait(t.Context())
		require.Equal(t, result{2, nil}, result{first, err})
		_, err = l.Append(nil)
		require.ErrorIs(t, err, ErrClosed)
	})
}

// A sync that fails is everybody's failure: nobody is left waiting, and nobody
// behind it is told that all is well.
func TestFailureReachesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		l, err := Open(modelDir, Options{FS: g})
		require.NoError(t, err)
		g.shut.Store(true)
		leader := appending(l)
		synctest.Wait()
		ticket := l.Submit([][]byte{[]byte("a")})
		calls := []chan result{leader, appending(l),
			background(func() (uint64, error) { return ticket.Wait(t.Context()) }),
			background(func() (uint64, error) { return 0, l.Sync() }),
			background(func() (uint64, error) { return 0, l.TruncateFront(99) }),
			background(func() (uint64, error) {
				for _, err := range l.Follow(t.Context(), 0) {
					return 0, err
				}
				return 0, nil
			}),
		}
		synctest.Wait()
		why := errors.New("the disk is on fire")
		g.open <- why
		for i, c := range calls {
			err := (<-c).err
			require.ErrorIs(t, err, ErrFailed, "call %d", i)
			require.ErrorIs(t, err, why, "call %d", i)
		}
		g.shut.Store(false)
		_, err = l.Append(nil)
		require.ErrorIs(t, err, why, "it stays so")
		require.ErrorIs(t, l.Sync(), why)
		require.EqualValues(t, 0, l.LastIndex())
		require.ErrorIs(t, l.Close(), why)
		require.NoError(t, l.Close())
		_, err = l.Append(nil)
		require.ErrorIs(t, err, ErrClosed)
	})
}
