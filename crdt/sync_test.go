package crdt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vclock"
)

// bothSides runs a session between two sides of a pipe.
func bothSides(a, b io.ReadWriter, s, t Syncer) (here, there error) {
	done := make(chan error)
	go func() { done <- Sync(context.Background(), b, t) }()
	here = Sync(context.Background(), a, s)
	return here, <-done
}

// cutAt is a side of a connection that breaks after so many bytes have been written to it.
type cutAt struct {
	net.Conn
	left atomic.Int64
}

func (c *cutAt) Write(b []byte) (int, error) {
	left := c.left.Add(-int64(len(b)))
	if left >= 0 {
		return c.Conn.Write(b)
	}
	n, _ := c.Conn.Write(b[:max(0, int64(len(b))+left)])
	_ = c.Close()
	return n, io.ErrClosedPipe
}

func cutPair(first, second int64) (a, b *cutAt) {
	here, there := net.Pipe()
	a, b = &cutAt{Conn: here}, &cutAt{Conn: there}
	a.left.Store(first)
	b.left.Store(second)
	return a, b
}

// differing returns two replicas that differ, of which one has more than fits into one update: the same for the same chance.
func differing(t *testing.T, chance uint64) *replicaWorld[*ORSet[string]] {
	c := ReplicaConfig{UpdateBytes: 30, Members: []vclock.ID{"a", "b"}}
	w := newReplicaWorld(t, rand.New(rand.NewPCG(chance, 0)), setCargo(), c, 2)
	for range 4 {
		w.change(0)
		w.change(1)
	}
	w.settle()
	w.changes(0, 8)
	w.changes(1, 3)
	return w
}

// changes lets a node do so much that is a change: to remove what is not there is none.
func (w *replicaWorld[T]) changes(i int, n uint64) {
	seen := func() uint64 { return w.nodes[i].Stats().Seen.Get(w.nodes[i].ID()) }
	for until := seen() + n; seen() < until; {
		w.change(i)
	}
}

func (w *replicaWorld[T]) requireEqual() {
	a, err := w.nodes[0].AppendBinary(nil)
	require.NoError(w.t, err)
	b, err := w.nodes[1].AppendBinary(nil)
	require.NoError(w.t, err)
	require.Equal(w.t, a, b)
}

const uncut = 1 << 40

// TestSyncCuts: a session is cut after each byte that either side writes. Each side then has a state that
// it may have, and the next session brings both to the same. Planted and caught: an error that is
// swallowed; a session that ends after a part, on one side or both; a reader that reads on behind the end.
func TestSyncCuts(t *testing.T) {
	chance := seed.Value(t)
	w := differing(t, chance)
	a, b := cutPair(uncut, uncut)
	here, there := bothSides(a, b, w.nodes[0], w.nodes[1])
	require.NoError(t, here)
	require.NoError(t, there)
	w.requireEqual()
	whole := []int64{uncut - a.left.Load(), uncut - b.left.Load()}
	require.Greater(t, whole[0], int64(50))

	advanced := 0
	for side, size := range whole {
		for cut := range size {
			w := differing(t, chance)
			before := w.nodes[1].Stats().Seen
			limits := []int64{uncut, uncut}
			limits[side] = cut
			a, b := cutPair(limits[0], limits[1])
			here, there := bothSides(a, b, w.nodes[0], w.nodes[1])
			require.Error(t, []error{here, there}[side], "cut after %d bytes", cut)
			w.look(w.nodes[0])
			w.look(w.nodes[1])
			if w.nodes[1].Stats().Seen.Compare(before) == vclock.After {
				advanced++
			}
			whole, other := net.Pipe()
			here, there = bothSides(whole, other, w.nodes[0], w.nodes[1])
			require.NoError(t, here)
			require.NoError(t, there)
			w.requireEqual()
			w.look(w.nodes[0])
		}
	}
	require.Greater(t, advanced, 50, "what has come whole is kept")
}

// TestSyncLeavesTheRest: a session reads its own bytes and no more, so that the connection can be used for the next.
func TestSyncLeavesTheRest(t *testing.T) {
	w := differing(t, seed.Value(t))
	a, b := net.Pipe()
	for range 2 {
		here, there := bothSides(a, b, w.nodes[0], w.nodes[1])
		require.NoError(t, here)
		require.NoError(t, there)
		w.requireEqual()
		w.change(0)
		w.change(1)
	}
	go func() { _, _ = a.Write([]byte("!")) }()
	next := make([]byte, 1)
	_, err := io.ReadFull(b, next)
	require.NoError(t, err)
	require.Equal(t, "!", string(next))
}

// stream is a peer that says what it says, and listens to nothing. It can be closed or not.
type stream struct {
	io.Reader
	wrote bytes.Buffer
}

func (s *stream) Write(b []byte) (int, error) { return s.wrote.Write(b) }

type closingStream struct {
	stream
	closed int
}

func (s *closingStream) Close() error {
	s.closed++
	return nil
}

func frame(kind messageKind, body string) string {
	m := message{kind, []byte(body)}
	return string(m.header()) + body
}

// TestSyncGarbage: each peer that says something wrong gets its own error, the replica is as it was, and the connection is
// closed. Planted and caught: any kind of message is taken, or one kind for another; a length that is not looked at;
// no look at the letters, or at the version; a connection that stays open; a Receive whose error nobody looks at.
func TestSyncGarbage(t *testing.T) {
	good := string(summary{id: "b"}.bytes())
	hello := magic + frame(isSummary, good)
	for _, c := range []struct {
		says string
		is   error
		text string
	}{
		{"", io.ErrUnexpectedEOF, "read its greeting: 0 of 5 bytes"},
		{"GET / HTTP/1.1\r\n", ErrProtocol, `it begins with "GET /"`},
		{"crdt\x02", ErrProtocol, "it has version 2, this is 1"},
		{magic + "\x01", io.ErrUnexpectedEOF, "read a header: 1 of 5 bytes"},
		{magic + frame(isSummary, good)[:8], io.ErrUnexpectedEOF, "read a message: 3 of 4 bytes"},
		{magic + frame(isLast, good), ErrProtocol, "a message of kind 2 in answer to kind 1"},
		{magic + frame(0, good), ErrProtocol, "a message of kind 0"},
		{magic + frame(9, good), ErrProtocol, "a message of kind 9"},
		{magic + frame(isSummary, ""), ErrProtocol, "a message of kind 1 with nothing in it"},
		{magic + "\x01\xff\xff\xff\xff", ErrTooLong, "the other side has one of 4294967295 bytes, at most 67108864"},
		{magic + frame(isSummary, "garbage"), ErrCorrupt, "Delta"},
		{hello, io.ErrUnexpectedEOF, "read a header: 0 of 5 bytes"},
		{hello + frame(isSummary, good), ErrProtocol, "a message of kind 1 in answer to kind 2"},
		{hello + frame(0, good), ErrProtocol, "a message of kind 0 in answer to kind 2"},
		{hello + frame(9, good), ErrProtocol, "a message of kind 9 in answer to kind 2"},
		{hello + frame(isPart, ""), ErrProtocol, "a message of kind 3 with nothing in it"},
		{hello + frame(isLast, "garbage"), ErrCorrupt, "Receive"},
		{hello + frame(isLast, good), ErrCorrupt, "this is a form of summary"},
	} {
		r := counterReplica(t, "a", ReplicaConfig{})
		add(t, r, 3)
		before, err := r.AppendBinary(nil)
		require.NoError(t, err)
		peer := closingStream{stream: stream{Reader: bytes.NewReader([]byte(c.says))}}
		err = Sync(context.Background(), &peer, r)
		require.ErrorIs(t, err, c.is, "%q", c.says)
		require.ErrorContains(t, err, c.text, "%q", c.says)
		require.Equal(t, 1, peer.closed)
		after, err := r.AppendBinary(nil)
		require.NoError(t, err)
		require.Equal(t, before, after)
	}
	peer := closingStream{stream: stream{Reader: bytes.NewReader([]byte(hello + frame(isLast, "")))}}
	require.NoError(t, Sync(context.Background(), &peer, counterReplica(t, "a", ReplicaConfig{})))
	require.Zero(t, peer.closed, "it ended well")
}

// TestSyncTooLong: what is too long is neither sent nor taken.
func TestSyncTooLong(t *testing.T) {
	c := Session{MaxMessage: 200}
	w := differing(t, seed.Value(t))
	for _, most := range []int{200, 3} {
		a, b := net.Pipe()
		done := make(chan error)
		go func() { done <- c.Sync(context.Background(), b, w.nodes[1]) }()
		err := Session{MaxMessage: most}.Sync(context.Background(), a, w.nodes[0])
		there := <-done
		if most == 200 {
			require.NoError(t, err)
			require.NoError(t, there)
			continue
		}
		require.ErrorIs(t, err, ErrTooLong)
		require.ErrorContains(t, err, "this side has one of")
		require.Error(t, there)
	}
	giver, taker := counterReplica(t, "a", ReplicaConfig{}), counterReplica(t, "b", ReplicaConfig{})
	add(t, giver, 1)
	delta, err := giver.Delta(taker.Summary())
	require.NoError(t, err)
	for _, most := range []int{len(delta) - 1, len(delta)} {
		a, b := net.Pipe()
		done := make(chan error)
		go func() { done <- Session{MaxMessage: most}.Sync(context.Background(), b, taker) }()
		here := Session{MaxMessage: len(delta)}.Sync(context.Background(), a, giver)
		there := <-done
		require.Equal(t, most == len(delta), here == nil && there == nil, "%v, %v", here, there)
	}
	require.ErrorContains(t, Session{MaxMessage: -1}.Sync(context.Background(), nobody{}, w.nodes[0]), "MaxMessage is -1")
	if math.MaxInt > math.MaxUint32 {
		require.ErrorContains(t, Session{MaxMessage: math.MaxInt}.Sync(context.Background(), nobody{}, w.nodes[0]), "want 1 to 4294967295")
	}
	require.Panics(t, func() { _ = Sync(context.Background(), nil, w.nodes[0]) })
}

// TestSyncClaims: who says that 60 MiB will come, and sends none of it, costs nothing. Planted and caught: a buffer that is
// as large as is claimed.
func TestSyncClaims(t *testing.T) {
	var before, after runtime.MemStats
	s := &closingStream{stream: stream{Reader: strings.NewReader(magic + "\x01\x03\xc0\x00\x00some")}}
	runtime.ReadMemStats(&before)
	err := Sync(context.Background(), s, counterReplica(t, "a", ReplicaConfig{}))
	runtime.ReadMemStats(&after)
	require.ErrorContains(t, err, "read a message: 4 of 62914560 bytes")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

type nobody struct{}

func (nobody) Read([]byte) (int, error)  { return 0, io.EOF }
func (nobody) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestSyncSilence: a peer that says nothing, or does not listen, is left when ctx is done. Planted and caught:
// nothing that closes when ctx is done.
func TestSyncSilence(t *testing.T) {
	for _, listens := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if listens {
				go func() { _, _ = io.Copy(io.Discard, b) }()
			}
			began := time.Now()
			err := Sync(ctx, a, counterReplica(t, "a", ReplicaConfig{}))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, time.Minute, time.Since(began))
			require.ErrorIs(t, Sync(ctx, nobody{}, counterReplica(t, "a", ReplicaConfig{})), context.DeadlineExceeded)
			_, err = a.Write(nil)
			require.ErrorIs(t, err, io.ErrClosedPipe)
		})
	}
	err := Sync(context.Background(), nobody{}, counterReplica(t, "a", ReplicaConfig{}))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorIs(t, err, io.ErrClosedPipe, "both are told")
}

// TestSyncDeaf: a peer that talks and does not listen, or that cannot be written to and says nothing, is left at once, with
// what was wrong first. Planted and caught: a Read that fails and leaves the Write, and the other way round.
func TestSyncDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		go func() { _, _ = b.Write([]byte("GET /")) }()
		require.ErrorIs(t, Sync(context.Background(), a, counterReplica(t, "a", ReplicaConfig{})), ErrProtocol)

		r, w := io.Pipe()
		err := Sync(context.Background(), deaf{r, w}, counterReplica(t, "a", ReplicaConfig{}))
		require.ErrorIs(t, err, errDeaf)
	})
}

// deaf says nothing until it is closed.
type deaf struct {
	io.Reader
	w *io.PipeWriter
}

var errDeaf = errors.New("deaf")

func (d deaf) Write([]byte) (int, error) { return 0, errDeaf }
func (d deaf) Close() error              { return d.w.Close() }

// TestSyncRounds: a peer that has a part first is asked once more, without a second greeting; unless ctx is done
// meanwhile, also where there is nothing to close. Planted and caught: a greeting in each round; a ctx that is not looked at.
func TestSyncRounds(t *testing.T) {
	peer := counterReplica(t, "b", ReplicaConfig{UpdateBytes: 1})
	add(t, peer, 1)
	add(t, peer, 2)
	first, err := peer.Delta(summary{id: "a"}.bytes())
	require.NoError(t, err)
	asks := frame(isSummary, string(peer.Summary()))
	script := magic + asks + frame(isPart, string(first)) + asks + frame(isLast, "")

	r, s := counterReplica(t, "a", ReplicaConfig{}), &stream{Reader: bytes.NewReader([]byte(script))}
	require.NoError(t, Sync(context.Background(), s, r))
	require.EqualValues(t, 1, value(r))
	require.Equal(t, 1, bytes.Count(s.wrote.Bytes(), []byte(magic)))

	ctx, cancel := context.WithCancel(context.Background())
	s = &stream{Reader: bytes.NewReader([]byte(script))}
	require.ErrorIs(t, Sync(ctx, s, failing{Syncer: counterReplica(t, "a", ReplicaConfig{}), received: cancel}), context.Canceled)
	s = &stream{Reader: bytes.NewReader([]byte(script))}
	require.ErrorIs(t, Sync(ctx, s, r), context.Canceled)
	require.Zero(t, s.wrote.Len(), "it has not begun")
}

// TestSyncWithoutEnd: a peer that says in each round that there is more, and has nothing new, or that asks the same
// again and again, is left in the second round. Planted and caught: either of the two that is not looked at.
func TestSyncWithoutEnd(t *testing.T) {
	peer := counterReplica(t, "b", ReplicaConfig{UpdateBytes: 1})
	add(t, peer, 1)
	add(t, peer, 2)
	first, err := peer.Delta(summary{id: "a"}.bytes())
	require.NoError(t, err)
	asks := frame(isSummary, string(summary{id: "b", seen: peer.Stats().Seen}.bytes()))
	again := asks + frame(isPart, string(first))
	s := &closingStream{stream: stream{Reader: strings.NewReader(magic + strings.Repeat(again, 100))}}
	r := counterReplica(t, "a", ReplicaConfig{})
	err = Sync(context.Background(), s, r)
	require.ErrorIs(t, err, ErrProtocol)
	require.ErrorContains(t, err, "it says that there is more, and has nothing new")
	require.Equal(t, 2, bytes.Count(s.wrote.Bytes(), []byte{kindSummary.form(), 1, 'a'}), "it has not asked a third time")
	require.EqualValues(t, 1, value(r), "what was new is kept")

	nothing := frame(isSummary, string(summary{id: "a"}.bytes())) + frame(isLast, "")
	s = &closingStream{stream: stream{Reader: strings.NewReader(magic + strings.Repeat(nothing, 100))}}
	err = Sync(context.Background(), s, peer)
	require.ErrorIs(t, err, ErrProtocol)
	require.ErrorContains(t, err, "it has got a part, and asks the same again")
	require.Equal(t, 1, bytes.Count(s.wrote.Bytes(), []byte(first)))
}

// TestSyncDoneAtTheEnd: when ctx is done with the last message, the connection gets closed, so the session has not ended
// well, and what it has brought is kept. Planted and caught: no error.
func TestSyncDoneAtTheEnd(t *testing.T) {
	a, b := counterReplica(t, "a", ReplicaConfig{}), counterReplica(t, "b", ReplicaConfig{})
	add(t, b, 1)
	delta, err := b.Delta(a.Summary())
	require.NoError(t, err)
	script := magic + frame(isSummary, string(b.Summary())) + frame(isLast, string(delta))
	ctx, cancel := context.WithCancel(context.Background())
	s := &closingStream{stream: stream{Reader: strings.NewReader(script)}}
	require.ErrorIs(t, Sync(ctx, s, failing{Syncer: a, received: cancel}), context.Canceled)
	require.Equal(t, 1, s.closed)
	require.EqualValues(t, 1, value(a))
}

// TestSyncBeside: one replica has sessions with many at once, of which some come to nothing, and all are right in the end.
func TestSyncBeside(t *testing.T) {
	hub := counterReplica(t, "hub", ReplicaConfig{UpdateBytes: 12})
	var wg sync.WaitGroup
	var all []*Replica[*GCounter]
	fail := make(chan error, 100)
	for i := range 8 {
		r := counterReplica(t, vclock.ID(fmt.Sprint("leaf ", i)), ReplicaConfig{UpdateBytes: 12})
		all = append(all, r)
		for range 5 {
			add(t, r, 1)
		}
		wg.Go(func() {
			for n := range 4 {
				a, b := cutPair(uncut, uncut)
				if n == 1 {
					a, b = cutPair(int64(20*i), uncut)
				}
				here, there := bothSides(a, b, r, hub)
				if n != 1 {
					fail <- errors.Join(here, there)
				}
			}
		})
	}
	wg.Wait()
	close(fail)
	for err := range fail {
		require.NoError(t, err)
	}
	require.EqualValues(t, 40, value(hub))
	for _, r := range all {
		a, b := net.Pipe()
		here, there := bothSides(a, b, r, hub)
		require.NoError(t, errors.Join(here, there))
		require.EqualValues(t, 40, value(r))
	}
}

// TestSyncWithItself: a replica that calls itself, or one of its name, is told so.
func TestSyncWithItself(t *testing.T) {
	r := counterReplica(t, "a", ReplicaConfig{})
	add(t, r, 1)
	for _, other := range []*Replica[*GCounter]{r, counterReplica(t, "a", ReplicaConfig{})} {
		a, b := net.Pipe()
		here, there := bothSides(a, b, r, other)
		require.Error(t, there)
		require.True(t, errors.Is(here, vclock.ErrForked) || errors.Is(there, vclock.ErrForked), "%v, %v", here, there)
		require.EqualValues(t, 1, value(r))
	}
}

// failing is a Syncer that fails, or whose other half has no parts.
type failing struct {
	Syncer
	delta, receive error
	received       func() // if it is not nil
}

func (f failing) Delta(s []byte) ([]byte, error) {
	delta, err := f.Syncer.Delta(s)
	return delta, errors.Join(err, f.delta)
}

func (f failing) Receive(b []byte) error {
	if f.received != nil {
		f.received()
	}
	return errors.Join(f.Syncer.Receive(b), f.receive)
}

// TestSyncFails: what a Syncer says is what the session says; and one that knows no parts sends all that it
// has as if it were all.
func TestSyncFails(t *testing.T) {
	sad := errors.New("sad")
	chance := seed.Value(t)
	for _, f := range []failing{{delta: sad}, {receive: sad}, {}} {
		w := differing(t, chance)
		f.Syncer = w.nodes[0]
		a, b := net.Pipe()
		here, _ := bothSides(a, b, f, w.nodes[1])
		if f.delta != nil || f.receive != nil {
			require.ErrorIs(t, here, sad)
		} else {
			require.NoError(t, here)
		}
	}
}

// TestSyncConcurrent: replicas change, synchronise, are saved, and get and lose a member all at the same time, and agree when they
// have rested. Planted and caught with the race detector: View, Summary, Stats, AppendBinary, Since, Join, Forget and the
// look at what is old without the lock.
func TestSyncConcurrent(t *testing.T) {
	const replicas = 3
	rounds := 20
	if form.Long() && !form.Raced() {
		rounds = 200
	}
	var all []*Replica[*GCounter]
	for i := range replicas {
		c := ReplicaConfig{Members: []vclock.ID{"a", "b", "c"}, LogBytes: 800, UpdateBytes: 40}
		all = append(all, counterReplica(t, nodeName(i), c))
	}
	var wg sync.WaitGroup
	fail := make(chan error, 1000*replicas)
	for i, r := range all {
		wg.Go(func() {
			for range rounds * 5 {
				fail <- r.Do(func(id vclock.ID, v *GCounter) (*GCounter, error) { return v.Add(id, 1) })
				_ = r.Stats()
				_, _ = all[(i+1)%replicas].Since(vclock.Vector{}) // while that one does the same
			}
		})
		wg.Go(func() {
			for before, n := uint64(0), 0; n < rounds*50; n++ {
				now := value(r)
				if now < before {
					fail <- errors.New("it went back")
				}
				before = now
			}
		})
		wg.Go(func() {
			for range rounds {
				a, b := net.Pipe()
				here, there := bothSides(a, b, r, all[(i+1)%replicas])
				fail <- errors.Join(here, there)
			}
		})
		wg.Go(func() {
			var saved vclock.Vector
			for range rounds {
				now := r.Stats().Seen
				_, err := r.Since(saved)
				_, whole := r.AppendBinary(nil)
				fail <- errors.Join(err, whole, r.Join("x"))
				r.Forget("x")
				saved = now
			}
		})
	}
	go func() { wg.Wait(); close(fail) }()
	for err := range fail {
		require.NoError(t, err)
	}
	for range 2 {
		for i, r := range all {
			a, b := net.Pipe()
			here, there := bothSides(a, b, r, all[(i+1)%replicas])
			require.NoError(t, here)
			require.NoError(t, there)
		}
	}
	for _, r := range all {
		require.EqualValues(t, replicas*rounds*5, value(r), "%v", r.ID())
	}
}

// FuzzSession: a peer may say what it likes. Nothing panics, and what fails is said and closes the connection.
func FuzzSession(f *testing.F) {
	a := counterReplica(f, "b", ReplicaConfig{})
	add(f, a, 1)
	delta, err := a.Delta(summary{id: "a"}.bytes())
	require.NoError(f, err)
	greeting := magic + frame(isSummary, string(a.Summary()))
	f.Add([]byte(greeting + frame(isLast, string(delta))))
	f.Add([]byte(greeting + frame(isPart, string(delta)) + frame(isSummary, string(a.Summary())) + frame(isLast, "")))
	f.Add([]byte(magic + "\x01\x03\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := counterReplica(t, "a", ReplicaConfig{})
		add(t, r, 1)
		peer := closingStream{stream: stream{Reader: bytes.NewReader(b)}}
		err := Sync(context.Background(), &peer, r)
		require.Equal(t, err != nil, peer.closed == 1, "%v", err)
		require.GreaterOrEqual(t, value(r), uint64(1))
		require.Equal(t, magic, peer.wrote.String()[:len(magic)])
	})
}
